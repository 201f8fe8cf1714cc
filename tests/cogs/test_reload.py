"""From a pair in the folder to the command, and back, while the bot runs."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cogs.test_run import plain
from tests.cogs.whole_bot import WORKFLOWS, done, watching
from tests.workflow.importer.samples import node, slot, ui


async def test_a_dropped_pair_is_a_command_within_seconds_and_a_broken_edit_keeps_it(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine") as it:
        assert "paint" not in it.ann.commands(it.art)
        text = (WORKFLOWS / "imagine.toml").read_text(encoding="utf-8")
        (it.folder / "paint.toml").write_text(text, encoding="utf-8")
        shutil.copy(WORKFLOWS / "imagine.json", it.folder / "paint.json")
        await it.sim.until(lambda: "paint" in it.ann.commands(it.art))
        assert len((await done(it.sim, await it.ann.slash(it.art, "paint", prompt="a lighthouse"))).files) == 1

        (it.folder / "paint.toml").write_text(text.replace("Sampler.steps", "nothing"), encoding="utf-8")
        (it.folder / "imagine.toml").unlink()
        await it.sim.until(lambda: "imagine" not in it.ann.commands(it.art))
        again = await done(it.sim, await it.ann.slash(it.art, "paint", prompt="a lighthouse", steps=3))
        assert len(again.files) == 1


def as_the_editor_saves_it() -> dict[str, Any]:
    """Return a small graph in the editor's own format."""
    wires = [
        (1, 1, 0, 2, 0, "CLIP", 1),
        (2, 1, 0, 3, 0, "CLIP", 1),
        (3, 1, 0, 5, 0, "MODEL", 0),
        (4, 2, 0, 5, 1, "CONDITIONING", 0),
        (5, 3, 0, 5, 2, "CONDITIONING", 0),
        (6, 4, 0, 5, 3, "LATENT", 0),
        (7, 5, 0, 6, 0, "LATENT", 0),
        (8, 1, 0, 6, 1, "VAE", 2),
        (9, 6, 0, 7, 0, "IMAGE", 0),
    ]
    links = tuple([number, start, out, end, at, kind] for number, start, _zero, end, at, kind, out in wires)
    return ui(
        node(1, "CheckpointLoaderSimple", "dreamshaper_8.safetensors", outputs=[{}, {}, {}]),
        node(2, "CLIPTextEncode", "a castle", inputs=[slot("clip", "CLIP", 1)], outputs=[{}]),
        node(3, "CLIPTextEncode", "fog", inputs=[slot("clip", "CLIP", 2)], outputs=[{}]),
        node(4, "EmptyLatentImage", 64, 64, 1, outputs=[{}]),
        node(
            5, "KSampler", 5, "randomize", 2, 7.0, "euler", "normal", 1.0, outputs=[{}],
            inputs=[
                slot("model", "MODEL", 3), slot("positive", "CONDITIONING", 4), slot("negative", "CONDITIONING", 5),
                slot("latent_image", "LATENT", 6),
            ],
        ),
        node(6, "VAEDecode", inputs=[slot("samples", "LATENT", 7), slot("vae", "VAE", 8)], outputs=[{}]),
        node(7, "SaveImage", "x", inputs=[slot("images", "IMAGE", 9)]),
        links=links,
    )  # fmt: skip


async def test_a_graph_alone_is_a_command_whose_options_are_guessed(tmp_path: Path) -> None:
    async with watching(tmp_path, "upscale") as it:
        shutil.copy(WORKFLOWS / "imagine.json", it.folder / "My Fox (2).json")
        (it.folder / "castle.json").write_text(json.dumps(as_the_editor_saves_it()), encoding="utf-8")
        (it.folder / "notes.json").write_text('{"a": 1}', encoding="utf-8")
        await it.sim.until(lambda: {"my_fox_2", "castle"} <= set(it.ann.commands(it.art)))
        fox = await done(it.sim, await it.ann.slash(it.art, "my_fox_2", prompt="a fox", width=64, height=64, steps=2))
        assert "a fox" in fox.text
        castle = await done(it.sim, await it.ann.slash(it.art, "castle", prompt="a tower", seed="7", steps=3))
        assert "seed 7" in castle.text
        assert "steps 3" in castle.text
        assert len(castle.files) == 1

        told = (await it.boss.slash(it.art, "workflow list")).text
        assert "has no manifest, so the options of /castle are guessed" in plain(told)
        assert "is not a workflow" in told

        manifest = (WORKFLOWS / "imagine.toml").read_text(encoding="utf-8").partition("[options.negative]")[0]
        (it.folder / "My Fox (2).toml").write_text(f'command = "fox"\n{manifest}', encoding="utf-8")
        await it.sim.until(lambda: "fox" in it.ann.commands(it.art))
        assert "my_fox_2" not in it.ann.commands(it.art)


async def test_a_graph_alone_is_there_from_the_start(tmp_path: Path) -> None:
    async with watching(tmp_path, castle_json=json.dumps(as_the_editor_saves_it())) as it:
        await it.sim.until(lambda: "castle" in it.ann.commands(it.art))
        assert len((await done(it.sim, await it.ann.slash(it.art, "castle", prompt="a tower"))).files) == 1
