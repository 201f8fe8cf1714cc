"""The whole bot on a simulated Discord, with a stand-in that draws."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import discord

from bot.app.app import App, load_catalog, load_library
from bot.app.resources import open_resources
from bot.policy.limits import Limits
from bot.sandbox.comfyui import ServerState, StandIn
from bot.settings import Settings
from bot.ui.client.bot import ComfycordBot
from bot.ui.page import Tone
from tests.harness import Channel, Member, Reply, Simulation, simulated
from tests.paths import WORKFLOWS

MANAGER = discord.Permissions(manage_guild=True, use_application_commands=True, send_messages=True)


@asynccontextmanager
async def playing(folder: Path, state: ServerState, limits: Limits | None = None) -> AsyncGenerator[Simulation]:
    """Run the whole bot in the simulation, on a stand-in in `state`."""
    async with StandIn(state) as comfy:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            comfyui_urls=(comfy.url,),
            database_url="sqlite://",
            data_dir=folder,
        )
        async with open_resources(settings) as resources:
            apps: list[App] = []

            def make(sim: Simulation) -> ComfycordBot:
                catalog = load_catalog(WORKFLOWS)
                app = App(settings, catalog, resources, clock=sim.clock, keep_alive=False, limits=limits)
                apps.append(app)
                return app.bot

            async with simulated(make) as sim:
                await sim.until(lambda: apps[-1].fleet.definitions().nodes)
                yield sim


@dataclass
class Scene:
    """The whole bot on a simulated Discord, with a folder of workflows that it watches."""

    sim: Simulation
    folder: Path
    comfy: StandIn
    boss: Member
    """Manages the guild."""
    ann: Member
    art: Channel


@asynccontextmanager
async def watching(tmp_path: Path, *names: str, **files: str) -> AsyncGenerator[Scene]:
    """Run the bot on some of the shipped workflows and on `files` (name with _ for the dot → content)."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    for name in names:
        shutil.copy(WORKFLOWS / f"{name}.json", folder)
        shutil.copy(WORKFLOWS / f"{name}.toml", folder)
    for name, text in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    async with StandIn(ServerState(seconds_per_step=0.0)) as comfy:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            comfyui_urls=(comfy.url,),
            database_url="sqlite://",
            data_dir=tmp_path,
            workflows_dir=folder,
        )
        async with open_resources(settings) as resources:
            apps: list[App] = []

            def make(sim: Simulation) -> ComfycordBot:
                library = load_library(folder)
                apps.append(App(settings, library, resources, clock=sim.clock, keep_alive=False))
                return apps[0].bot

            async with simulated(make) as sim:
                await sim.until(lambda: apps[0].fleet.definitions().nodes)
                boss = sim.member("boss", permissions=MANAGER)
                yield Scene(sim, folder, comfy, boss, sim.member("ann"), sim.channel("art"))


async def done(sim: Simulation, reply: Reply) -> Reply:
    """Return the reply once its message has ended well."""
    await sim.until(lambda: {Tone.DONE.value, Tone.FAILED.value} & set(reply.message.accents))
    assert Tone.DONE.value in reply.message.accents, reply.text
    return reply
