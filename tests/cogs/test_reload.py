"""From a pair in the folder to the command, and back, while the bot runs."""

import shutil
from pathlib import Path

from bot.app import App, load_library
from bot.installation import opened
from bot.sandbox.comfyui import ServerState, StandIn
from bot.settings import Settings
from bot.ui.client import ComfycordBot
from tests.cogs.stage import WORKFLOWS, done
from tests.harness import simulated


async def test_a_dropped_pair_is_a_command_within_seconds_and_a_broken_edit_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    for ending in ("json", "toml"):
        shutil.copy(WORKFLOWS / f"imagine.{ending}", folder)
    async with StandIn(ServerState(seconds_per_step=0.0)) as comfy:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            comfyui_urls=(comfy.url,),
            database_url="sqlite://",
            data_dir=tmp_path,
            workflows_dir=folder,
        )
        async with opened(settings) as installation:

            def make(sim: object) -> ComfycordBot:
                library = load_library(folder)
                park, clock = sim.park, sim.clock  # type: ignore[attr-defined]
                return App(settings, library, installation, park=park, clock=clock, keep_alive=False).bot

            async with simulated(make) as sim:
                ann, art = sim.member("ann"), sim.channel("art")
                assert "paint" not in ann.commands(art)
                text = (WORKFLOWS / "imagine.toml").read_text(encoding="utf-8")
                (folder / "paint.toml").write_text(text, encoding="utf-8")
                shutil.copy(WORKFLOWS / "imagine.json", folder / "paint.json")
                await sim.until(lambda: "paint" in ann.commands(art))
                reply = await done(sim, await ann.slash(art, "paint", prompt="a lighthouse"))
                assert len(reply.files) == 1

                (folder / "paint.toml").write_text(text.replace("Sampler.steps", "nothing"), encoding="utf-8")
                (folder / "imagine.toml").unlink()
                await sim.until(lambda: "imagine" not in ann.commands(art))
                again = await done(sim, await ann.slash(art, "paint", prompt="a lighthouse", steps=3))
                assert len(again.files) == 1
