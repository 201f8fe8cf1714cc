"""Something happens at any step of a bot's start: it ends in order, in time, and without a word too many."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.app.process_role import ProcessConfig, ProcessRole
from bot.errors import BotError, StartupError
from bot.jobs.repository import DatabaseUnavailableError
from bot.sandbox.comfyui import StandIn
from bot.settings import Settings
from tests.faults.single_process import TOKEN, WORKFLOWS
from tests.faults.stop_points import (
    QUESTION,
    Start,
    seams,
    watched,
)
from tests.transport.conftest import until
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

pytestmark = pytest.mark.timeout(240)

SETTLES = 0.3
"""Seconds after which nothing is begun any more by a start."""


@dataclass
class Scene:
    """A Discord, a ComfyUI, and what a bot needs to start between them."""

    wire: WireDiscord
    comfy: StandIn
    settings: Settings
    part: ProcessConfig
    caplog: pytest.LogCaptureFixture
    first: int = 0
    every: int = 1
    """Steps from one that is disturbed to the next."""

    async def ready(self) -> None:
        """Return once a bot is up, with what it can reach."""
        if self.part.has_gateway:
            await self.wire.ready()
            await self.wire.commands()
        if self.part.has_servers and self.comfy.is_running and not self.comfy.state.frozen:
            await until(lambda: self.comfy.state.seen.sockets_open)
        await asyncio.sleep(SETTLES)

    async def sweep(self, act: Callable[[], None] | None = None, only: str = "") -> list[Start]:
        """Start once undisturbed, then again and again; at each of its steps it is asked to stop, or `act` is done."""
        async with watched(self.settings, self.part, self.caplog, only=only) as whole:
            await self.ready()
            count = len(whole.steps)
        starts = [whole]
        for at in range(self.first, count, self.every):
            (self.settings.data_dir / "commands.json").unlink(missing_ok=True)
            async with watched(self.settings, self.part, self.caplog, at=at, act=act, only=only) as start:
                await until(lambda start=start: start.is_past or start.has_ended)
                if act:
                    await asyncio.sleep(SETTLES)
            starts.append(start)
            await until(lambda: self.wire.gateway.live_shards() == 0 and self.comfy.state.seen.sockets_open == 0)
        gc.collect()  # what was not closed would say so
        return starts


@asynccontextmanager
async def scene(
    folder: Path, database: str, role: ProcessRole, caplog: pytest.LogCaptureFixture, patch: pytest.MonkeyPatch
) -> AsyncGenerator[Scene]:
    async with WireDiscord() as wire, StandIn() as comfy, pointed_at(wire):
        wire.state.bot_token, wire.state.rate_limits, wire.state.daily_command_creates = TOKEN, False, 100_000
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            discord_token=TOKEN,
            discord_api_url=wire.api_url,
            discord_guild_ids=(wire.guild.id,),
            comfyui_urls=(comfy.url,),
            database_url=database,
            data_dir=folder,
            workflows_dir=WORKFLOWS,
        )
        with seams(patch):
            yield Scene(wire, comfy, settings, ProcessConfig(role), caplog)


def wrong(starts: list[Start]) -> list[str]:
    """Return what went wrong, with the step at which it did."""
    return [
        f"step {start.at} ({start.steps[start.at] if start.is_past and start.at is not None else ''}): {departure}"
        for start in starts
        for departure in start.stale_positions
    ]


async def up(_comfy: StandIn) -> None:
    pass


async def down(comfy: StandIn) -> None:
    await comfy.kill()


async def frozen(comfy: StandIn) -> None:
    comfy.state.frozen = True


@pytest.mark.parametrize(
    ("role", "database", "comfyui", "every"),
    [
        (ProcessRole.ALL, "sqlite", up, 3),
        (ProcessRole.ALL, "sqlite", down, 5),
        (ProcessRole.ALL, "sqlite", frozen, 5),
        (ProcessRole.ALL, "postgresql", up, 10),
        (ProcessRole.GATEWAY, "postgresql", up, 10),
        (ProcessRole.WORKER, "postgresql", up, 10),
    ],
    indirect=["database"],
)
async def test_asked_to_stop_at_any_step_it_stops(
    tmp_path: Path,
    role: ProcessRole,
    database: str,
    comfyui: Callable[[StandIn], Awaitable[None]],
    every: int,
    seed: int,
    soak: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene(tmp_path, database, role, caplog, monkeypatch) as here:
        await comfyui(here.comfy)
        here.every = 1 if soak else every
        here.first = seed % here.every
        starts = await here.sweep()
        assert not wrong(starts), f"--fault-seed {seed}"
        assert not [start.error for start in starts if start.error]


async def test_a_database_that_is_lost_at_any_question_ends_it_or_is_waited_for(
    tmp_path: Path,
    database: str,
    seed: int,
    soak: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose() -> None:
        raise DatabaseUnavailableError

    async with scene(tmp_path, database, ProcessRole.ALL, caplog, monkeypatch) as here:
        here.every = 1 if soak else 4
        here.first = seed % here.every
        starts = await here.sweep(lose, QUESTION)
        assert not wrong(starts), f"--fault-seed {seed}"
        assert not [start.error for start in starts if start.error and not isinstance(start.error, BotError)]


@pytest.mark.parametrize("role", [ProcessRole.ALL, ProcessRole.WORKER])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_refused_by_discord_it_ends_by_itself(
    tmp_path: Path, database: str, role: ProcessRole, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, database, role, caplog, monkeypatch) as here:
        if role is ProcessRole.ALL:
            here.wire.state.close_identifies = [4004]
        else:
            here.wire.state.bot_token = "another"
        async with watched(here.settings, here.part, caplog) as start:
            await until(lambda: start.has_ended)
        assert not start.stale_positions
        assert isinstance(start.error, StartupError)
