"""The leases of our servers: which of them this instance of the bot may use, and until when that is certain.

A server is used by one instance at a time, or two would follow the same prompts and tell the same people. Whoever loses
the database loses its leases, too: it must stop before another instance may begin, so certainty ends before the lease.
Knows nothing about jobs.
"""

import asyncio
import logging
from collections.abc import Sequence

from bot.clock import Clock
from bot.jobs.naps import nap
from bot.jobs.records import JobStore, StoreDownError

log = logging.getLogger(__name__)

LEASE = 30.0
"""Seconds that a lease lasts."""
RENEW_EVERY = 5.0
MARGIN = 10.0
"""Seconds before its end at which a lease counts as lost: what is on its way to Discord must be over by then."""
NOTICE_EVERY = 1.0
"""Seconds until a loss is noticed."""


class Tenancy:
    """Keeps the leases of `servers` (their `Backend.key`) for `owner`."""

    def __init__(self, *, store: JobStore, owner: str, servers: Sequence[str], clock: Clock) -> None:
        self.owner = owner
        self._store = store
        self._servers = tuple(servers)
        self._clock = clock
        self._until: dict[str, float] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Renew for ever; the owner cancels this."""
        while True:
            await self.renew()
            await self._clock.sleep(RENEW_EVERY)

    async def renew(self) -> None:
        """Take or keep all leases that can be had, once."""
        asked = self._clock.monotonic()
        try:
            held = await self._store.hold(self._servers, self.owner, LEASE)
        except StoreDownError:
            log.warning("the leases of the servers could not be renewed: the database does not answer")
            return
        for key in self._servers:
            if key not in held and self.holds(key):
                log.warning("another instance of the bot has taken over %s", key)
        self._until = {key: asked + LEASE - MARGIN for key in self._servers if key in held}
        self._changed.set()

    def holds(self, key: str) -> bool:
        """Return whether the server is certainly ours at this moment."""
        return self._clock.monotonic() < self._until.get(key, 0.0)

    async def wait_held(self, key: str) -> None:
        """Return as soon as the server is ours."""
        while not self.holds(key):
            self._changed.clear()
            await nap(self._clock, RENEW_EVERY, self._changed)

    async def wait_lost(self, key: str) -> None:
        """Return soon after the server is no longer certainly ours."""
        while self.holds(key):
            await self._clock.sleep(NOTICE_EVERY)

    async def release(self) -> None:
        """Give the leases up, so that another instance need not wait for their end."""
        self._until.clear()
        try:
            await self._store.release(self.owner)
        except StoreDownError:
            log.warning("the leases of the servers run out by themselves: the database does not answer")
