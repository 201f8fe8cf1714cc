"""Records what this process's servers can do and which classes of jobs they can run.

The dispatcher gives a server only jobs of classes recorded as compatible. The lease holder of a server checks each new
class, and all of them again when the server's capabilities change.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from bot.aio import nap
from bot.clock import Clock
from bot.jobs.cluster.bus import Hints, Topic
from bot.jobs.ports import Backend
from bot.jobs.repository import StoreDownError
from bot.jobs.server_registry import FleetRecords, ServerHealth, Verdict
from bot.workflow.run.needs import Abilities, Needs, lacks

log = logging.getLogger(__name__)


class Judge:
    """Checks job classes against `servers`, those leased by this process."""

    def __init__(
        self,
        *,
        fleet: FleetRecords,
        servers: Callable[[], Iterable[Backend]],
        is_resting: Callable[[str], bool],
        hints: Hints,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._servers = servers
        self._is_resting = is_resting
        self._hints = hints
        self._clock = clock
        self._described: dict[str, str] = {}
        self._reported: dict[str, str] = {}
        self._asked = asyncio.Event()
        hints.listen(Topic.CLASS, lambda _payload: self._asked.set())

    async def run(self) -> None:
        """Loop until cancelled."""
        while True:
            self._asked.clear()
            try:
                await self.judge_all()
            except StoreDownError:
                log.debug("compatibility check skipped: the database does not answer")
            await nap(self._clock, self._hints.look_every, self._asked)

    def wake(self) -> None:
        """Check soon: a server appeared, disappeared or changed."""
        self._asked.set()

    async def judge_all(self) -> None:
        """Record the changes of each server and its compatibility with unchecked classes."""
        judged = False
        for server in tuple(self._servers()):
            await self._report(server)
            abilities = server.abilities
            if abilities.definitions.nodes:
                await self._describe(server, abilities)
                judged |= await self._judge(server, abilities)
        if judged:
            self._hints.send(Topic.WORK)

    def forget(self, key: str) -> None:
        """Record everything again once the server is leased again: another process may have written meanwhile."""
        self._described.pop(key, None)
        self._reported.pop(key, None)

    async def _report(self, server: Backend) -> None:
        health = ServerHealth.ONLINE if server.online else ServerHealth.OFFLINE
        if self._is_resting(server.key):
            health = ServerHealth.RESTING
        if self._reported.get(server.key) != health:
            await self._fleet.report(server.key, health)
            self._reported[server.key] = health
            self._hints.send(Topic.FLEET)

    async def _describe(self, server: Backend, abilities: Abilities) -> None:
        if self._described.get(server.key) != abilities.fingerprint:
            await self._fleet.describe(server.key, abilities)
            self._described[server.key] = abilities.fingerprint
            self._hints.send(Topic.FLEET)

    async def _judge(self, server: Backend, abilities: Abilities) -> bool:
        """Check the classes that are still unchecked; return whether there were any."""
        classes = await self._fleet.unjudged(server.key)
        if not classes:
            return False
        verdicts = {cls: verdict_of(needs, abilities) for cls, needs in classes.items()}
        await self._fleet.judge(server.key, verdicts, abilities.fingerprint)
        return True


def verdict_of(needs: Needs, abilities: Abilities) -> Verdict:
    missing = lacks(needs, abilities) or ()
    return Verdict(not missing, tuple(missing))
