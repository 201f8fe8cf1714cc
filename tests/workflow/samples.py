"""What the tests of workflows share: trimmed definitions of stock nodes, and a small pair to bend."""

import json
import random
from collections.abc import Mapping
from typing import Any

from bot.workflow.graph.definitions import Definitions, InputDefinition, NodeDefinition
from bot.workflow.graph.graph import Graph
from bot.workflow.library.catalog import Workflow
from bot.workflow.manifest.manifest import Manifest
from bot.workflow.run.events import InputFile
from bot.workflow.run.prepare import prepare
from bot.workflow.run.spec import RunSpec
from tests.paths import WORKFLOWS

SHIPPED = WORKFLOWS

SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "ddim", "uni_pc")
SCHEDULERS = ("normal", "karras", "simple")
CHECKPOINTS = ("anything.safetensors", "SDXL/base.safetensors")
METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")

LINK = InputDefinition("LINK")


def combo(*choices: str) -> InputDefinition:
    return InputDefinition("COMBO", choices=choices)


def whole(minimum: int, maximum: int) -> InputDefinition:
    return InputDefinition("INT", minimum=minimum, maximum=maximum)


def decimal(minimum: float, maximum: float) -> InputDefinition:
    return InputDefinition("FLOAT", minimum=minimum, maximum=maximum)


def node(class_type: str, *, is_output: bool = False, **inputs: InputDefinition) -> NodeDefinition:
    return NodeDefinition(class_type, inputs, is_output)


def definitions(*extra: NodeDefinition, checkpoints: tuple[str, ...] = CHECKPOINTS) -> Definitions:
    """Return the stock nodes of the shipped workflows, with their limits as a server tells them."""
    nodes = (
        node("CheckpointLoaderSimple", ckpt_name=combo(*checkpoints)),
        node("CLIPTextEncode", text=InputDefinition("STRING"), clip=LINK),
        node("EmptyLatentImage", width=whole(16, 16384), height=whole(16, 16384), batch_size=whole(1, 4096)),
        node(
            "KSampler",
            seed=whole(0, 2**64 - 1),
            steps=whole(1, 10000),
            cfg=decimal(0.0, 100.0),
            sampler_name=combo(*SAMPLERS),
            scheduler=combo(*SCHEDULERS),
            denoise=decimal(0.0, 1.0),
            model=LINK,
            positive=LINK,
            negative=LINK,
            latent_image=LINK,
        ),
        node("VAEDecode", samples=LINK, vae=LINK),
        node("VAEEncode", pixels=LINK, vae=LINK),
        node("SetLatentNoiseMask", samples=LINK, mask=LINK),
        node("LoadImage", image=combo("example.png")),
        node("ImageScaleBy", image=LINK, upscale_method=combo(*METHODS), scale_by=decimal(0.01, 8.0)),
        node(
            "ImageCompositeMasked",
            destination=LINK,
            source=LINK,
            mask=InputDefinition("LINK", required=False),
            x=whole(0, 16384),
            y=whole(0, 16384),
            resize_source=InputDefinition("BOOLEAN"),
        ),
        node("SaveImage", is_output=True, images=LINK, filename_prefix=InputDefinition("STRING")),
    )
    return Definitions({each.class_type: each for each in (*nodes, *extra)})


OFFLINE = Definitions()

NODES: dict[str, dict[str, Any]] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "old.ckpt"}},
    "5": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 512, "height": 512, "batch_size": 1},
        "_meta": {"title": "Canvas"},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad hands", "clip": ["4", 1]}},
    "54:3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 20,
            "cfg": 8,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
        "_meta": {"title": "Sampler v1.5"},
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["54:3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
}
"""Text to image as exported without titles for the most part, its sampler inside a subgraph."""


def graph(**extra: Mapping[str, Any]) -> Graph:
    return Graph.parse(json.dumps({**NODES, **extra}), "test.json")


def manifest(options: str = "") -> Manifest:
    head = 'schema = 1\ntitle = "Test"\ndescription = "For tests"\n'
    return Manifest.parse((head + options).encode(), "test.toml")


def workflow(options: str = "", **extra: Mapping[str, Any]) -> Workflow:
    return Workflow.build("test", manifest(options), graph(**extra), "test.toml")


def option(kind: str, bind: str | None, rest: str = "", name: str = "it") -> str:
    bound = "" if bind is None else f"bind = {json.dumps(bind)}\n"
    return f'[options.{name}]\nkind = "{kind}"\ndescription = "Something"\n{bound}{rest}\n'


def run(
    made_from: Workflow, given: Mapping[str, object] | None = None, known: Definitions | None = None, chance: int = 0
) -> RunSpec:
    return prepare(
        made_from,
        given or {},
        definitions=definitions() if known is None else known,
        random=random.Random(chance),
    )


def picture(width: int = 640, height: int = 480) -> InputFile:
    return InputFile("in-1.png", b"png", width, height)
