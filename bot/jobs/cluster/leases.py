"""Leases of ComfyUI servers: which servers this process may use, and until when that is certain.

A lease keeps two processes from following the same prompts and notifying the same members. A process without a database
connection must stop before another one can acquire its leases, so they count as lost before they expire. With several
processes each takes its share (`bot.jobs.cluster.balancer`).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from bot.aio import poll_forever, wait_for_event
from bot.clock import Clock
from bot.jobs.cluster.balancer import LeaseView, ServerBalancer
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.server_registry import ServerRegistry

log = logging.getLogger(__name__)

GATEWAY = "gateway"
"""The role of processes without servers."""
LEASE_SECONDS = 27.0
"""Seconds; together with `RENEW_INTERVAL` and the polling of others, a crashed process has lost its leases after 30."""
RENEW_INTERVAL = 5.0
MARGIN = 10.0
"""Seconds before expiry at which a lease counts as lost: requests to Discord in progress must have ended by then."""
LOSS_POLL_INTERVAL = 1.0
"""Seconds until a loss is noticed."""
FREE_POLL_INTERVAL = 2.0
"""Seconds between polls for free servers."""
HEARTBEAT_TTL = 15.0
"""Seconds for which a process counts as alive after a heartbeat: shorter than a lease, so that servers of a crashed
process are shared out as soon as they are free."""


class LeaseManager:
    """Acquires and renews leases for `owner`."""

    def __init__(
        self,
        *,
        store: JobRepository,
        owner: str,
        servers: Sequence[str],
        clock: Clock,
        fleet: ServerRegistry | None = None,
        role: str = "all",
        singleton_keys: Collection[str] = (),
        busyness: Callable[[str], float] = lambda _key: 0.0,
    ) -> None:
        """Lease as many of `servers` (their `Backend.key`) as possible; with a `fleet`, only this process's share.

        `role` is announced to other processes: all but gateways have a share. `singleton_keys` are leases of
        something else, which are not shared out. `busyness` helps to choose the idlest server to give up.
        """
        self.owner = owner
        self._store = store
        self._fleet = fleet
        self._role = role
        self._singleton_keys = frozenset(singleton_keys)
        self._servers = tuple(servers)
        self._clock = clock
        self._balancer = ServerBalancer(busyness)
        self._live_processes: Mapping[str, int] = {role: 1}
        self._until: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        """Servers being given up, and when others may have them."""
        self._changed = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._renewed = float("-inf")

    @property
    def processes(self) -> int:
        """Number of live processes of any role at the last poll, this one included."""
        return max(1, sum(self._live_processes.values()))

    def set_servers(self, keys: Collection[str]) -> None:
        """Use these servers from now on; the leases of others are given up gracefully."""
        self._servers = tuple(keys)
        self._changed.set()

    async def run(self) -> None:
        """Renew until cancelled."""
        await poll_forever(self.renew, FREE_POLL_INTERVAL if self._fleet else RENEW_INTERVAL, self._clock)

    async def renew(self) -> None:
        """Renew the held leases and acquire free ones, once."""
        try:
            async with self._renewing:
                await self._let_go()
                await self._keep(self._fleet)
                if self._fleet is not None:
                    await self._share(self._fleet)
        except DatabaseUnavailableError:
            log.warning("leases not renewed: the database does not answer")

    def holds(self, key: str) -> bool:
        """Return whether the lease is certainly held at this moment."""
        return self._clock.monotonic() < self._until.get(key, 0.0)

    async def wait_held(self, key: str) -> None:
        """Return as soon as the lease is held."""
        while not self.holds(key):
            self._changed.clear()
            await wait_for_event(self._clock, RENEW_INTERVAL, self._changed)

    async def wait_lost(self, key: str) -> None:
        """Return soon after the lease is no longer certain."""
        while self.holds(key):
            await self._clock.sleep(LOSS_POLL_INTERVAL)

    async def release(self) -> None:
        """Release all leases before they expire."""
        self._until.clear()
        self._leaving.clear()
        try:
            await self._store.release_leases(self.owner)
            if self._fleet is not None:
                await self._fleet.deregister(self.owner)
        except DatabaseUnavailableError:
            log.warning("leases not released, they will expire: the database does not answer")

    # ------------------------------------------------------------------ the leases

    async def _keep(self, fleet: ServerRegistry | None) -> None:
        if fleet is not None and self._clock.monotonic() - self._renewed < RENEW_INTERVAL:
            return
        asked = self._clock.monotonic()
        if fleet is not None:
            self._live_processes = await fleet.heartbeat(self.owner, self._role, HEARTBEAT_TTL)
        ours = self._servers if fleet is None else tuple(self._until)
        wanted = {*ours, *self._singleton_keys} - self._leaving.keys()
        for key in wanted - await self._held(wanted):
            if self.holds(key):
                log.warning("another process has taken over %s", key)
            self._until.pop(key, None)
        self._renewed = asked

    async def _held(self, wanted: Collection[str]) -> frozenset[str]:
        """Acquire or renew leases."""
        asked = self._clock.monotonic()
        held = await self._store.acquire_leases(wanted, self.owner, LEASE_SECONDS) if wanted else frozenset[str]()
        self._until |= dict.fromkeys(held, asked + LEASE_SECONDS - MARGIN)
        self._changed.set()
        return held

    async def _share(self, fleet: ServerRegistry) -> None:
        """Take or give up servers to balance them over the processes."""
        view, now = await self._view(fleet), self._clock.monotonic()
        before = [key for key, owner in view.owners.items() if owner == self.owner]  # including before a restart
        taken = {*before, *self._balancer.to_take(view, now)} - self._leaving.keys() - set(view.mine)
        if taken:
            await self._held(taken)
        if (key := self._balancer.to_leave(view, now)) is not None:
            log.info("%s is given up to another process", key)
            self._leave(key)

    async def _view(self, fleet: ServerRegistry) -> LeaseView:
        servers = set(self._servers)
        records = await fleet.servers()
        owners = {record.key: record.owner for record in records if record.owner and record.key in servers}
        ours = {key for key in servers if self.holds(key)}
        workers = max(1, sum(count for role, count in self._live_processes.items() if role != GATEWAY))
        leaving = servers & self._leaving.keys()
        return LeaseView(me=self.owner, servers=servers, mine=ours, owners=owners, workers=workers, leaving=leaving)

    def _leave(self, key: str) -> None:
        """Stop using a server now; release its lease once none of our requests can be in progress."""
        self._until.pop(key, None)
        self._leaving[key] = self._clock.monotonic() + MARGIN

    async def _let_go(self) -> None:
        for key in self._until.keys() - {*self._servers, *self._singleton_keys}:
            self._leave(key)
        over = [key for key, at in self._leaving.items() if at <= self._clock.monotonic()]
        if over:
            await self._store.release_leases(self.owner, over)
            for key in over:
                del self._leaving[key]
