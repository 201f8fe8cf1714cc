"""The servers' node definitions as recorded in the database, for processes without servers of their own.

Refreshed on notification, and periodically.
"""

import asyncio
from collections.abc import Sequence

from bot.aio import poll_forever
from bot.clock import Clock
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.repository import DatabaseUnavailableError
from bot.jobs.server_registry import ServerRegistry
from bot.workflow.graph.definitions import Definitions

RELOAD_INTERVAL = 60.0
"""Seconds between refreshes without a notification."""


class SharedDefinitions:
    """The node definitions of all servers, merged."""

    def __init__(self, *, fleet: ServerRegistry, bus: NotificationBus, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        self._definitions = Definitions()
        self._servers: tuple[Definitions, ...] = ()
        self._fingerprints: frozenset[tuple[str, str]] = frozenset()
        self._changed = asyncio.Event()
        bus.subscribe(Topic.FLEET, lambda _payload: self._changed.set())

    def __call__(self) -> Definitions:
        """Return the last refresh; empty before the first."""
        return self._definitions

    def servers(self) -> Sequence[Definitions]:
        """Return the definitions of each server; empty before the first refresh."""
        return self._servers

    async def run(self) -> None:
        """Refresh until cancelled."""
        await poll_forever(
            self.load, RELOAD_INTERVAL, self._clock, wake=self._changed, ignore=(DatabaseUnavailableError,)
        )

    async def load(self) -> None:
        """Refresh once. May raise `DatabaseUnavailableError`."""
        fingerprints = frozenset((record.key, record.fingerprint) for record in await self._fleet.servers())
        if fingerprints == self._fingerprints:
            return
        recorded = await self._fleet.definitions()
        self._servers = tuple(definitions for _fingerprint, definitions in recorded.values())
        self._definitions = Definitions.merged(self._servers)
        self._fingerprints = fingerprints
