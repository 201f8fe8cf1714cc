"""The real bot in this process, between a wire-level Discord and a stand-in ComfyUI: real HTTP on both sides."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.app.app import App, load_catalog
from bot.app.resources import open_resources
from bot.policy.limits import Limits
from bot.sandbox.comfyui import ServerState, StandIn
from bot.settings import Settings
from tests.paths import WORKFLOWS
from tests.wire import WireDiscord, WireInteraction, WireMessage
from tests.wire.bots import pointed_at

BUSY = ("Queued", "Cancelling", "Checking", "Fetching", "Starting", "You're next", "%", "offline", "Lost contact")


def is_over(message: WireMessage) -> bool:
    """Whether a job's message shows its end."""
    return not any(word in message.text for word in BUSY)


@dataclass
class Stage:
    """Everything a transport test plays with."""

    wire: WireDiscord
    comfy: StandIn
    app: App

    async def order(
        self, name: str = "imagine", options: dict[str, Any] | None = None, **where: Any
    ) -> WireInteraction:
        """Send a command, with a prompt when none is given."""
        return await self.wire.slash(name, options or {"prompt": "a fox"}, **where)

    async def ended(self, job: WireInteraction, timeout: float = 15.0) -> WireMessage:
        """Return the job's message once it shows the end."""
        return await job.wait_for(is_over, timeout)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return when `condition` holds; fail when it does not in time."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not come true within {seconds} s")


@asynccontextmanager
async def playing(
    wire: WireDiscord,
    comfy: StandIn,
    data_dir: Path,
    *,
    workflows: Path = WORKFLOWS,
    limits: Limits | None = None,
    everywhere: bool = False,
) -> AsyncGenerator[Stage]:
    """Run the bot until the block ends; with `everywhere`, its commands are global."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
        discord_token="wire-token",
        discord_api_url=wire.api_url,
        discord_guild_ids=() if everywhere else (wire.guild.id,),
        comfyui_urls=(comfy.url,),
        database_url=f"sqlite:///{data_dir / 'comfycord.db'}",
        database_synchronous="normal",
        data_dir=data_dir,
    )
    async with open_resources(settings) as resources:
        app = App(settings, load_catalog(workflows), resources, limits=limits)
        connection = asyncio.create_task(app.bot.start("wire-token"))
        try:
            await wire.ready()
            await wire.commands()
            if comfy.is_running:
                await until(lambda: app.fleet.any_online() and app.fleet.definitions().nodes)
            yield Stage(wire, comfy, app)
        finally:
            await app.bot.close()
            await connection


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    """A bot with the shipped workflows, on a stand-in that draws at once."""
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path) as stage,
    ):
        yield stage
