"""One installation between a fake Discord and a stand-in ComfyUI: the whole that the fault tests play with."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType

from aiohttp import web

from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.chaos import Havoc
from tests.faults.final_count import Census, take_census
from tests.faults.members import Crowd
from tests.faults.process import BotProcess
from tests.paths import WORKFLOWS
from tests.transport.conftest import until
from tests.wire import WireDiscord

TOKEN = "MTA1.wire.not-for-logs"
GOES_AWAY = 5.0
STARTS = 40.0
LINES_SHOWN = 60


class SturdyDiscord(WireDiscord):
    """A fake Discord whose requests may break off in the middle: their sender was killed."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except* (ConnectionError, web.RequestPayloadError):
            pass


@dataclass
class Installation:
    """A bot, its Discord and its ComfyUI. Whatever is left to chance comes from `random`."""

    wire: WireDiscord
    comfy: StandIn
    bot: BotProcess
    crowd: Crowd
    havoc: Havoc
    random: Random
    seed: int
    settings: dict[str, str]

    async def start(self) -> None:
        """Start the bot and return once it hears events and has a ComfyUI, if there is one."""
        before = self.comfy.state.seen.sockets_opened
        await self.bot.start()
        await self.ready()
        if self.comfy.is_running:
            await until(lambda: self.comfy.state.seen.sockets_opened > before, STARTS)

    async def ready(self) -> None:
        """Return once the bot hears events and has its commands registered."""
        await self.wire.ready(timeout=STARTS)
        await self.wire.commands(timeout=STARTS)

    async def acquainted(self) -> None:
        """Return once the bot knows what its ComfyUI can do: before that, it gives it nothing."""
        for _ in range(int(STARTS / 0.1)):
            if await self.wire.autocomplete("imagine", "checkpoint", "", {"prompt": "x"}):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it does not learn what its ComfyUI can do")

    async def kill(self) -> None:
        """Kill the bot with -9; return once Discord knows."""
        await self.bot.kill()
        await self.wire.world.changes.until(lambda: self.wire.gateway.live_shards() == 0, GOES_AWAY, "gone")

    def census(self, *others: StandIn, log: str = "") -> Census:
        """Count, also what other servers did; `log` is what another process printed."""
        return take_census(self.crowd, self.wire, [self.comfy, *others], self.bot.printed + log)

    def report(self, census: Census) -> str:
        """Return everything that is needed to run the same again, and to understand it."""
        return "\n".join(
            [
                f"--fault-seed {self.seed}: {census}",
                *census.stale_positions,
                *census.told,
                "diary: " + "; ".join(self.havoc.diary),
                "log:",
                *self.bot.printed.splitlines()[-LINES_SHOWN:],
            ]
        )


@asynccontextmanager
async def installed(
    folder: Path,
    database: str,
    seed: int,
    *,
    state: ServerState | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[Installation]:
    """Have everything ready but the bot, which the test starts; none of its processes outlives the block."""
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(SturdyDiscord())
        wire.state.bot_token = TOKEN
        comfy = await stack.enter_async_context(StandIn(state or ServerState(seconds_per_step=0.05)))
        chosen = _environment(folder, database, wire, comfy) | dict(settings or {})
        bot = BotProcess(folder, chosen)
        stack.push_async_callback(bot.kill)
        random = Random(seed)
        crowd, havoc = Crowd(wire, [bot], random), Havoc(random, wire, bot, comfy)
        yield Installation(wire, comfy, bot, crowd, havoc, random, seed, chosen)


def _environment(folder: Path, database: str, wire: WireDiscord, comfy: StandIn) -> dict[str, str]:
    return {
        "DISCORD_TOKEN": TOKEN,
        "DISCORD_API_URL": wire.api_url,
        "DISCORD_GUILD_IDS": str(wire.guild.id),
        "COMFYUI_URLS": comfy.url,
        "DATABASE_URL": database,
        "DATA_DIR": str(folder / "data"),
        "WORKFLOWS_DIR": str(WORKFLOWS),
    }
