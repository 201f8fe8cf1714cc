"""An owner's own export, dropped into the folder with a few lines of manifest, is a command that runs."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.app.app import load_catalog
from bot.sandbox.comfyui import ServerState, StandIn
from tests.transport.conftest import playing
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

# The shape of the oldest example around: no titles, two nodes of one class, numbers as ids
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "cfg": 8, "denoise": 1, "latent_image": ["5", 0], "model": ["4", 0], "negative": ["7", 0],
            "positive": ["6", 0], "sampler_name": "euler", "scheduler": "normal", "seed": 8566257, "steps": 20,
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.ckpt"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"batch_size": 1, "height": 512, "width": 512}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "a masterpiece"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "bad hands"}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}  # fmt: skip
MANIFEST = """
schema = 1
title = "Seed"
description = "The oldest example"

[options.prompt]
kind = "text"
description = "What to paint"
required = true
bind = "#6.text"

[options.seed]
kind = "seed"
description = "The same number gives the same picture"
bind = "KSampler.seed"
"""


@pytest.mark.parametrize(("prompt", "seed"), [("prompt", "seed"), ("class", "2x-seed"), ("interaction", "self")])
async def test_it_runs_as_a_command_whatever_its_options_are_called(tmp_path: Path, prompt: str, seed: str) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "oldest.json").write_text(json.dumps(GRAPH), encoding="utf-8")
    manifest = MANIFEST.replace("options.prompt", f"options.{prompt}").replace("options.seed", f"options.{seed}")
    (folder / "oldest.toml").write_text(manifest, encoding="utf-8")
    assert load_catalog(folder).problems == ()
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path, workflows=folder) as stage,
    ):
        own = {"history", "cancel", "queue", "me", "moderate", "server", "run", "workflow"}
        assert set(await wire.commands()) == {"oldest", *own}
        message = await stage.ended(await stage.order("oldest", {prompt: "a fox", seed: "9007199254740993"}))
        [graph] = comfy.state.seen.graphs.values()
    assert graph["6"]["inputs"]["text"] == "a fox"
    assert graph["7"]["inputs"]["text"] == "bad hands"
    assert graph["3"]["inputs"]["seed"] == 9007199254740993, "beyond what a float can hold"
    with Image.open(BytesIO(message.attachments[0].data)) as picture:
        assert picture.size == (512, 512)
