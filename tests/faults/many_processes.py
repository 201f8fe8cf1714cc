"""A bot of many processes: gateways that hear some guilds each, workers, several ComfyUIs, and one database for all."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.final_count import Census, take_census
from tests.faults.members import Crowd
from tests.faults.process import BotProcess
from tests.faults.single_process import (
    LINES_SHOWN,
    TOKEN,
    WORKFLOWS,
    SturdyDiscord,
)
from tests.transport.conftest import until
from tests.wire import WireDiscord, WireGuild, WireState, guild_id

STARTS = 40.0
"""Seconds for all processes to come up on a machine that has something else to do."""
NOTICED = 10.0
"""Seconds within which Discord knows that a gateway was killed."""
AFTER = (0.2, 2.0)
"""Seconds of work between two blows."""
AWAY = (0.0, 3.0)
"""Seconds before the one that was killed is started again."""

HOLDS = ": lease acquired"
"""What a worker's log says of a ComfyUI that it has."""


@dataclass
class Town:
    """All of it. The first gateway hears the first guild, and so on; whatever is left to chance comes from `random`."""

    wire: WireDiscord
    servers: Sequence[StandIn]
    gateways: Sequence[BotProcess]
    workers: Sequence[BotProcess]
    crowd: Crowd
    random: Random
    seed: int
    diary: list[str] = field(default_factory=list[str])
    _began: float = field(default_factory=time.monotonic)

    @property
    def processes(self) -> Sequence[BotProcess]:
        """All of them."""
        return [*self.gateways, *self.workers]

    @property
    def guilds(self) -> Sequence[WireGuild]:
        """One for each gateway."""
        return list(self.wire.world.guilds.values())

    async def start(self) -> None:
        """Start all processes at once; return when guilds are heard, and every ComfyUI has somebody."""
        await asyncio.gather(*(process.start() for process in self.processes))
        await self.wire.ready(timeout=STARTS)
        await until(lambda: all(server.state.seen.sockets_open for server in self.servers), STARTS)

    def holders(self) -> Sequence[BotProcess]:
        """Return the workers that have, or had, a ComfyUI."""
        return [worker for worker in self.workers if HOLDS in worker.printed]

    def note(self, event: str) -> None:
        """Write into the diary."""
        self.diary.append(f"{time.monotonic() - self._began:.1f} {event}")

    async def kill(self, process: BotProcess) -> None:
        """Kill one of the processes with -9; return once Discord knows."""
        await process.kill()
        self.note(f"{process.name} killed")
        if process in self.gateways:
            shard = self.gateways.index(process)
            live = self.wire.gateway.live_sessions
            await self.wire.world.changes.until(lambda: shard not in live(), NOTICED, f"{process.name} is gone")

    async def storm(self, blows: int) -> None:
        """Kill so many processes, all of them about as often, and start each again after a while."""
        rounds = -(-blows // len(self.processes))
        victims = [each for _ in range(rounds) for each in self.random.sample(self.processes, len(self.processes))]
        for victim in victims[:blows]:
            await asyncio.sleep(self.random.uniform(*AFTER))
            await self.kill(victim)
            await asyncio.sleep(self.random.uniform(*AWAY))
            await victim.start()
            self.note(f"{victim.name} started")

    def census(self) -> Census:
        """Count."""
        return take_census(self.crowd, self.wire, self.servers, "\n".join(each.printed for each in self.processes))

    def report(self, census: Census) -> str:
        """Return everything that is needed to run the same again, and to understand it."""
        lines = [f"--fault-seed {self.seed}: {census}", *census.stale_positions, *census.told]
        lines.append("diary: " + "; ".join(self.diary))
        for process in self.processes:
            lines += [f"log of {process.name}:", *process.printed.splitlines()[-LINES_SHOWN:]]
        return "\n".join(lines)


@asynccontextmanager
async def founded(
    folder: Path,
    database: str,
    seed: int,
    *,
    gateways: int = 2,
    workers: int = 2,
    servers: int = 3,
    seconds_per_step: float = 0.05,
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[Town]:
    """Have everything ready but the processes; none of them outlives the block."""
    async with AsyncExitStack() as stack:
        guilds = [WireGuild(guild_id(number), f"guild{number}") for number in range(gateways)]
        state = WireState(shards=gateways, bot_token=TOKEN)
        wire = await stack.enter_async_context(SturdyDiscord(guilds=guilds, state=state))
        comfys = [
            await stack.enter_async_context(StandIn(ServerState(seconds_per_step=seconds_per_step, plain=True)))
            for _ in range(servers)
        ]
        common = {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_URL": wire.api_url,
            "DISCORD_GUILD_IDS": ",".join(str(guild.id) for guild in guilds),
            "COMFYUI_URLS": ",".join(comfy.url for comfy in comfys),
            "DATABASE_URL": database,
            "WORKFLOWS_DIR": str(WORKFLOWS),
            **(settings or {}),
        }

        def process(name: str, *arguments: str) -> BotProcess:
            home = folder / name
            home.mkdir()
            made = BotProcess(home, common | {"DATA_DIR": str(home / "data")}, arguments)
            stack.push_async_callback(made.kill)
            return made

        hearing = [
            process(f"gateway{number}", "--role", "gateway", "--shards", f"{number}/{gateways}")
            for number in range(gateways)
        ]
        working = [process(f"worker{number}", "--role", "worker") for number in range(workers)]
        random = Random(seed)
        yield Town(wire, comfys, hearing, working, Crowd(wire, hearing, random), random, seed)
