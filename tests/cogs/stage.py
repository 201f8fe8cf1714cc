"""The whole bot on a simulated Discord, with a stand-in that draws."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import App, load_catalog
from bot.installation import opened
from bot.policy.limits import Limits
from bot.sandbox.comfyui import ServerState, StandIn
from bot.settings import Settings
from bot.ui.client import ComfycordBot
from bot.ui.page import Tone
from tests.harness import Reply, Simulation, simulated

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"


@asynccontextmanager
async def playing(folder: Path, state: ServerState, limits: Limits | None = None) -> AsyncIterator[Simulation]:
    """Run the whole bot in the simulation, on a stand-in in `state`."""
    async with StandIn(state) as comfy:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            comfyui_urls=(comfy.url,),
            database_url="sqlite://",
            data_dir=folder,
        )
        async with opened(settings) as installation:
            apps: list[App] = []

            def make(sim: Simulation) -> ComfycordBot:
                catalog = load_catalog(WORKFLOWS)
                app = App(
                    settings, catalog, installation, park=sim.park, clock=sim.clock, keep_alive=False, limits=limits
                )
                apps.append(app)
                return app.bot

            async with simulated(make) as sim:
                await sim.until(lambda: apps[-1].fleet.definitions().nodes)
                yield sim


async def done(sim: Simulation, reply: Reply) -> Reply:
    """Return the reply once its message has ended well."""
    await sim.until(lambda: {Tone.DONE.value, Tone.FAILED.value} & set(reply.message.accents))
    assert Tone.DONE.value in reply.message.accents, reply.text
    return reply
