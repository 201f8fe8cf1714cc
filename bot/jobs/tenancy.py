"""The leases of our servers: which of them this instance of the bot may use, and until when that is certain.

A server is used by one instance at a time, or two would follow the same prompts and tell the same people. Whoever loses
the database loses its leases, too: it must stop before another instance may begin, so certainty ends before the lease.
Of several instances each takes its share (`bot.jobs.spreading`). Knows nothing about jobs.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from bot.clock import Clock
from bot.jobs.fleetrecords import FleetRecords
from bot.jobs.naps import nap
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.spreading import Spreading, View

log = logging.getLogger(__name__)

GATEWAY = "gateway"
"""The role of those that have no servers."""
LEASE = 27.0
"""Seconds that a lease lasts; with `RENEW_EVERY`, and the moment until others look, a dead instance has lost it after
30."""
RENEW_EVERY = 5.0
MARGIN = 10.0
"""Seconds before its end at which a lease counts as lost: what is on its way to Discord must be over by then."""
NOTICE_EVERY = 1.0
"""Seconds until a loss is noticed."""
LOOK_EVERY = 2.0
"""Seconds between two looks for servers that nobody holds."""
PRESENCE = 15.0
"""Seconds for which an instance counts as alive without a word: less than a lease, so that its servers have somebody to
go to when they are free."""


class Tenancy:
    """Keeps leases for `owner`."""

    def __init__(
        self,
        *,
        store: JobStore,
        owner: str,
        servers: Sequence[str],
        clock: Clock,
        fleet: FleetRecords | None = None,
        role: str = "all",
        singles: Collection[str] = (),
        busyness: Callable[[str], float] = lambda _key: 0.0,
    ) -> None:
        """Keep the leases of `servers` (their `Backend.key`), as many as are to be had; with a `fleet`, our share.

        `role` is what the others are told of us: all but gateways have a share. `singles` are leased, too, but are no
        servers, and are kept by whoever has them. Of what is given up, `busyness` chooses the idlest.
        """
        self.owner = owner
        self._store = store
        self._fleet = fleet
        self._role = role
        self._singles = frozenset(singles)
        self._servers = tuple(servers)
        self._clock = clock
        self._spreading = Spreading(busyness)
        self._living: Mapping[str, int] = {role: 1}
        self._until: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        """Servers that are being given up, and when others may have them."""
        self._changed = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._renewed = float("-inf")

    @property
    def processes(self) -> int:
        """How many instances of any role were alive when we last looked, this one included."""
        return max(1, sum(self._living.values()))

    def set_servers(self, keys: Collection[str]) -> None:
        """Use these servers from now on; others are given up, gently."""
        self._servers = tuple(keys)
        self._changed.set()

    async def run(self) -> None:
        """Renew for ever; the owner cancels this."""
        while True:
            await self.renew()
            await self._clock.sleep(LOOK_EVERY if self._fleet else RENEW_EVERY)

    async def renew(self) -> None:
        """Keep the leases that are ours and take those that can be had, once."""
        try:
            async with self._renewing:
                await self._let_go()
                await self._keep(self._fleet)
                if self._fleet is not None:
                    await self._share(self._fleet)
        except StoreDownError:
            log.warning("the leases of the servers could not be renewed: the database does not answer")

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
        self._leaving.clear()
        try:
            await self._store.release(self.owner)
            if self._fleet is not None:
                await self._fleet.vanish(self.owner)
        except StoreDownError:
            log.warning("the leases of the servers run out by themselves: the database does not answer")

    # ------------------------------------------------------------------ the leases

    async def _keep(self, fleet: FleetRecords | None) -> None:
        if fleet is not None and self._clock.monotonic() - self._renewed < RENEW_EVERY:
            return
        asked = self._clock.monotonic()
        if fleet is not None:
            self._living = await fleet.appear(self.owner, self._role, PRESENCE)
        ours = self._servers if fleet is None else tuple(self._until)
        wanted = {*ours, *self._singles} - self._leaving.keys()
        for key in wanted - await self._held(wanted):
            if self.holds(key):
                log.warning("another instance of the bot has taken over %s", key)
            self._until.pop(key, None)
        self._renewed = asked

    async def _held(self, wanted: Collection[str]) -> frozenset[str]:
        """Take or keep leases; what is held is certain for a while."""
        asked = self._clock.monotonic()
        held = await self._store.hold(wanted, self.owner, LEASE) if wanted else frozenset[str]()
        self._until |= dict.fromkeys(held, asked + LEASE - MARGIN)
        self._changed.set()
        return held

    async def _share(self, fleet: FleetRecords) -> None:
        """Take or leave servers, by how they are spread at the moment."""
        view, now = await self._view(fleet), self._clock.monotonic()
        before = [key for key, owner in view.owners.items() if owner == self.owner]  # before a restart, too
        taken = {*before, *self._spreading.to_take(view, now)} - self._leaving.keys() - set(view.ours)
        if taken:
            await self._held(taken)
        if (key := self._spreading.to_leave(view, now)) is not None:
            log.info("%s is left to another process", key)
            self._leave(key)

    async def _view(self, fleet: FleetRecords) -> View:
        servers = set(self._servers)
        records = await fleet.servers()
        owners = {record.key: record.owner for record in records if record.owner and record.key in servers}
        ours = {key for key in servers if self.holds(key)}
        workers = max(1, sum(count for role, count in self._living.items() if role != GATEWAY))
        leaving = servers & self._leaving.keys()
        return View(me=self.owner, servers=servers, ours=ours, owners=owners, workers=workers, leaving=leaving)

    def _leave(self, key: str) -> None:
        """Stop using a server now; others may have it as soon as nothing of ours can be on its way any more."""
        self._until.pop(key, None)
        self._leaving[key] = self._clock.monotonic() + MARGIN

    async def _let_go(self) -> None:
        for key in self._until.keys() - {*self._servers, *self._singles}:
            self._leave(key)
        over = [key for key, at in self._leaving.items() if at <= self._clock.monotonic()]
        if over:
            await self._store.release(self.owner, over)
            for key in over:
                del self._leaving[key]
