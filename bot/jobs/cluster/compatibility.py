"""Records what this process's servers can do and which classes of jobs they can run.

The dispatcher gives a server only jobs of classes recorded as compatible. The lease holder of a server checks each new
class, and all of them again when the server's capabilities change.
"""

import asyncio
from collections.abc import Callable, Iterable

from bot.aio import poll_forever
from bot.clock import Clock
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.ports import Backend
from bot.jobs.repository import DatabaseUnavailableError
from bot.jobs.server_registry import Compatibility, ServerHealth, ServerRegistry
from bot.workflow.run.needs import Abilities, Needs, missing_resources


class CompatibilityChecker:
    """Checks job classes against `servers`, those leased by this process."""

    def __init__(
        self,
        *,
        fleet: ServerRegistry,
        servers: Callable[[], Iterable[Backend]],
        is_resting: Callable[[str], bool],
        bus: NotificationBus,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._servers = servers
        self._is_resting = is_resting
        self._bus = bus
        self._clock = clock
        self._described: dict[str, str] = {}
        self._reported: dict[str, str] = {}
        self._wake = asyncio.Event()
        bus.subscribe(Topic.CLASS, lambda _payload: self._wake.set())

    async def run(self) -> None:
        """Check until cancelled."""
        await poll_forever(
            self.check_all,
            lambda: self._bus.poll_interval,
            self._clock,
            wake=self._wake,
            ignore=(DatabaseUnavailableError,),
        )

    def wake(self) -> None:
        """Check soon: a server appeared, disappeared or changed."""
        self._wake.set()

    async def check_all(self) -> None:
        """Record the changes of each server and its compatibility with unchecked classes."""
        has_news = False
        for server in tuple(self._servers()):
            await self._report(server)
            abilities = server.abilities
            if abilities.definitions.nodes:
                await self._describe(server, abilities)
                has_news |= await self._check(server, abilities)
        if has_news:
            self._bus.send(Topic.WORK)

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
            self._bus.send(Topic.FLEET)

    async def _describe(self, server: Backend, abilities: Abilities) -> None:
        if self._described.get(server.key) != abilities.fingerprint:
            await self._fleet.describe(server.key, abilities)
            self._described[server.key] = abilities.fingerprint
            self._bus.send(Topic.FLEET)

    async def _check(self, server: Backend, abilities: Abilities) -> bool:
        """Check the classes that are still unchecked; return whether there were any."""
        classes = await self._fleet.unchecked_classes(server.key)
        if not classes:
            return False
        verdicts = {cls: compatibility_of(needs, abilities) for cls, needs in classes.items()}
        await self._fleet.record_compatibility(server.key, verdicts, abilities.fingerprint)
        return True


def compatibility_of(needs: Needs, abilities: Abilities) -> Compatibility:
    missing = missing_resources(needs, abilities) or ()
    return Compatibility(not missing, tuple(missing))
