"""Keeps written down what the servers of this process can do, and which classes of jobs they can run.

The store gives a server only jobs of classes that it is said to run. Whoever holds a server says so: for every class
that comes up, and for all of them again when the server has learnt or lost something.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from bot.clock import Clock
from bot.jobs.fleetrecords import FleetRecords, ServerHealth, Verdict
from bot.jobs.hints import Hints, Topic
from bot.jobs.naps import nap
from bot.jobs.ports import Backend
from bot.jobs.records import StoreDownError
from bot.workflow.needs import Abilities, Needs, lacks

log = logging.getLogger(__name__)

"""See `ServerRecord.health`."""


class Judge:
    """Judges classes of jobs against `servers`: those that this process holds just now."""

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
        """Judge for ever; the owner cancels this."""
        while True:
            self._asked.clear()
            try:
                await self.judge_all()
            except StoreDownError:
                log.debug("nothing is judged: the database does not answer")
            await nap(self._clock, self._hints.look_every, self._asked)

    def wake(self) -> None:
        """Say that a server came, went, or can do something else."""
        self._asked.set()

    async def judge_all(self) -> None:
        """Write down what is new about each server, and what new classes can do there."""
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
        """Write everything down anew when the server is ours again: another process may have written meanwhile."""
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
        """Judge what nobody has judged yet; return whether there was anything."""
        classes = await self._fleet.unjudged(server.key)
        if not classes:
            return False
        verdicts = {cls: verdict_of(needs, abilities) for cls, needs in classes.items()}
        await self._fleet.judge(server.key, verdicts, abilities.fingerprint)
        return True


def verdict_of(needs: Needs, abilities: Abilities) -> Verdict:
    """Return whether a server with these abilities can run what has these needs."""
    missing = lacks(needs, abilities) or ()
    return Verdict(not missing, tuple(missing))
