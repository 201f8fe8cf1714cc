"""The pictures: repeatable, different where they should be, and changed where they should change."""

import io
import json
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from bot.sandbox.comfyui.definitions import NodeCatalog
from bot.sandbox.comfyui.drawing.painter import Sketch, paint, repaint
from bot.sandbox.comfyui.drawing.words import read
from bot.sandbox.comfyui.files import Folders
from bot.sandbox.comfyui.nodes.registry import QUICK, SLOW
from bot.sandbox.comfyui.state import ServerState
from tests.contract.client import Client

SIZE = (160, 120)
PROMPTS = [
    "a calm sea at sunset with a boat",
    "misty pine forest at dawn",
    "neon city at night",
    "a black cat under the moon",
    "galaxy with a planet",
    "a meadow of flowers in spring",
    "snowy mountains",
    "portrait of a girl",
    "desert dunes at noon",
    "a castle with birds at dusk",
    "coral reef with fish",
    "a cottage in autumn, hot air balloons, lanterns",
    "aurora over a stormy lake in the rain",
    "qwertz uiop",
    "",
]


def distance(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of the colours, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def drawn(prompt: str, seed: int = 1, **wishes: Any) -> Image.Image:
    return paint(Sketch(prompt=prompt, **wishes), SIZE, seed=seed)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_gives_a_picture_with_something_on_it(prompt: str) -> None:
    picture = drawn(prompt)
    assert (picture.mode, picture.size) == ("RGB", SIZE)
    assert max(ImageStat.Stat(picture).stddev) > 12


def test_the_same_wishes_give_the_same_picture() -> None:
    assert drawn(PROMPTS[0]).tobytes() == drawn(PROMPTS[0]).tobytes()


def test_different_prompts_look_different() -> None:
    pictures = [drawn(prompt) for prompt in PROMPTS[:8]]
    for index, picture in enumerate(pictures):
        assert all(distance(picture, other) > 15 for other in pictures[index + 1 :])


@pytest.mark.parametrize(
    "changed",
    [{"negative": "ugly blurry grey"}, {"cfg": 20.0}, {"steps": 2}, {"sampler": "heun"}, {"model": "inkwash-sdxl"}],
)
def test_every_wish_matters(changed: dict[str, Any]) -> None:
    assert distance(drawn(PROMPTS[1]), drawn(PROMPTS[1], **changed)) > 0.2


def test_a_seed_makes_another_picture_of_the_same_thing() -> None:
    assert distance(drawn(PROMPTS[2], 1), drawn(PROMPTS[2], 2)) > 4


def test_the_pictures_of_a_batch_differ() -> None:
    first, second = (paint(Sketch(prompt="a cat"), SIZE, seed=1, variation=index) for index in (0, 1))
    assert distance(first, second) > 4


@pytest.mark.parametrize("size", [(8, 8), (64, 512), (512, 64), (1600, 900)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    assert paint(Sketch(prompt="a castle by the sea at night"), size, seed=3).size == size


def test_more_denoise_moves_further_from_the_input() -> None:
    source, target = drawn(PROMPTS[1]), drawn(PROMPTS[2])
    moved = [distance(source, repaint(source, target, denoise)) for denoise in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert moved == sorted(moved)
    assert moved[0] < 1
    assert repaint(source, target, 1.0).tobytes() == target.tobytes()


def test_whole_words_count() -> None:
    assert read("Cats, concatenated!").things == ("cat",)
    assert read("a research paper").things == ()


def test_every_class_that_is_offered_can_run(tmp_path: Any) -> None:
    folders = Folders(tmp_path)
    folders.create()
    assert set(NodeCatalog(ServerState(), folders).names()) == set(QUICK) | set(SLOW)


# ------------------------------------------------------------ through the server


async def result(client: Client, graph: dict[str, Any]) -> Image.Image:
    entry = await client.run(graph)
    assert entry["status"]["completed"], entry["status"]
    (file,) = next(iter(entry["outputs"].values()))["images"]
    path = f"/view?filename={file['filename']}&subfolder={file['subfolder']}&type={file['type']}"
    return Image.open(io.BytesIO((await client.call("GET", path)).body)).convert("RGB")


async def uploaded(client: Client, picture: Image.Image, name: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return (await client.upload(name, buffer.getvalue())).json["name"]


async def test_image_to_image_keeps_the_input_visible(client: Client) -> None:
    source = drawn("neon city at night")
    graph = await client.sampling(denoise=0.5, latent_image=["2", 0])
    graph["8"] = {"class_type": "LoadImage", "inputs": {"image": await uploaded(client, source, "source.png")}}
    graph["2"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["8", 0], "vae": ["1", 2]}}
    changed = await result(client, graph)
    assert changed.size == source.size
    stranger = drawn("snowy mountains")
    assert 2 < distance(source, changed) < distance(stranger, changed)


async def test_inpainting_changes_the_masked_part_only(client: Client) -> None:
    source = drawn("desert dunes").convert("RGBA")
    hole = Image.new("L", SIZE, 255)
    hole.paste(0, (0, 0, 80, 120))
    source.putalpha(hole)
    graph = await client.sampling()
    graph["8"] = {"class_type": "LoadImage", "inputs": {"image": await uploaded(client, source, "hole.png")}}
    inputs = {"pixels": ["8", 0], "vae": ["1", 2], "mask": ["8", 1], "grow_mask_by": 0}
    graph["2"] = {"class_type": "VAEEncodeForInpaint", "inputs": inputs}
    changed = await result(client, graph)
    before, after = source.convert("RGB"), changed
    assert distance(before.crop((0, 0, 80, 120)), after.crop((0, 0, 80, 120))) > 5
    assert distance(before.crop((80, 0, 160, 120)), after.crop((80, 0, 160, 120))) == 0


async def test_upscaling_really_enlarges(client: Client) -> None:
    source = drawn("a cat")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": await uploaded(client, source, "small.png")}},
        "2": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "crisp-4x.pth"}},
        "3": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["2", 0], "image": ["1", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "big"}},
    }
    assert (await result(client, graph)).size == (640, 480)


CHAIN: dict[str, dict[str, Any]] = {
    "ImageScale": {"upscale_method": "lanczos", "width": 100, "height": 0, "crop": "disabled"},
    "ImageScaleBy": {"upscale_method": "area", "scale_by": 0.5},
    "ImageScaleToTotalPixels": {"upscale_method": "bicubic", "megapixels": 0.05, "resolution_steps": 8},
    "ImageCrop": {"width": 50, "height": 40, "x": 10, "y": 5},
    "ImageInvert": {},
}
SIZES = {
    "ImageScale": (100, 75),
    "ImageScaleBy": (80, 60),
    "ImageScaleToTotalPixels": (264, 200),
    "ImageCrop": (50, 40),
    "ImageInvert": SIZE,
}


@pytest.mark.parametrize("class_type", list(CHAIN))
async def test_picture_nodes(client: Client, class_type: str) -> None:
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": await uploaded(client, drawn("a cat"), "in.png")}},
        "2": {"class_type": class_type, "inputs": {"image": ["1", 0], **CHAIN[class_type]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "out"}},
    }
    assert (await result(client, graph)).size == SIZES[class_type]


async def test_a_high_resolution_fix(client: Client) -> None:
    graph = await client.sampling()
    scale = {"samples": ["5", 0], "upscale_method": "bislerp", "scale_by": 1.5}
    graph["8"] = {"class_type": "LatentUpscaleBy", "inputs": scale}
    sampler = json.loads(json.dumps(graph["5"]))
    sampler["inputs"] |= {"latent_image": ["8", 0], "denoise": 0.5}
    graph["9"] = sampler
    graph["6"]["inputs"]["samples"] = ["9", 0]
    assert (await result(client, graph)).size == (96, 96)
