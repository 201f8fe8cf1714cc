"""Suggestions while typing: ranked by what was used, also by what was used before a restart."""

import asyncio
import shutil
from pathlib import Path

from bot.sandbox.comfyui import ServerState, StandIn
from tests.transport.conftest import WORKFLOWS, Stage, playing
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

NAMES = ("abstract", "painting", "sketch")


async def suggested(stage: Stage) -> list[str]:
    return [choice["value"] for choice in await stage.wire.autocomplete("run", "workflow", "oil")]


async def test_suggestions_are_ranked_by_use_also_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    shutil.copy(WORKFLOWS / "imagine.json", folder)
    manifest = (WORKFLOWS / "imagine.toml").read_text(encoding="utf-8")
    for name in NAMES:
        head = f'graph = "imagine.json"\nslash = false\ntags = ["oil"]\ncommand = "{name}"\n'
        (folder / f"{name}.toml").write_text(head + manifest, encoding="utf-8")
    async with WireDiscord() as wire, StandIn(ServerState(seconds_per_step=0.0)) as comfy, pointed_at(wire):
        async with playing(wire, comfy, tmp_path, workflows=folder) as stage:
            assert await suggested(stage) == ["abstract", "painting", "sketch"]
            await stage.ended(await stage.order("run", {"workflow": "sketch", "prompt": "a fox"}))
            await stage.ended(await stage.order("run", {"workflow": "painting", "prompt": "a fox"}))
            await stage.ended(await stage.order("run", {"workflow": "painting", "prompt": "a fox"}))
            assert await suggested(stage) == ["painting", "sketch", "abstract"]
        async with playing(wire, comfy, tmp_path, workflows=folder) as stage:
            for _ in range(100):  # what was used is read after the start
                if (await suggested(stage))[0] == "painting":
                    break
                await asyncio.sleep(0.05)
            assert await suggested(stage) == ["painting", "sketch", "abstract"]
