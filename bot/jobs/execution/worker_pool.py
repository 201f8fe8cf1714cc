"""The pool of workers, one per ComfyUI server: starts them for added servers, stops them for removed ones.

The servers are recorded in the database; leases (`bot.jobs.cluster.leases`) decide which process uses them. Knows no
ComfyUI: the builder makes a backend from a server record.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.aio import cancelled, nap
from bot.clock import Clock
from bot.errors import BotError
from bot.jobs.cluster.bus import Hints, Topic
from bot.jobs.cluster.leases import Tenancy
from bot.jobs.execution.executor import Carrier
from bot.jobs.execution.server_worker import Runner
from bot.jobs.job import Job
from bot.jobs.ports import Backend
from bot.jobs.repository import StoreDownError
from bot.jobs.scheduling.run_times import Durations
from bot.jobs.server_registry import FleetRecords, ServerHealth, ServerRecord

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds between polls of the server records."""
RESTART_PAUSE = 5.0
"""Seconds before a crashed worker is restarted."""


@dataclass(slots=True)
class Member:
    """One server with its worker."""

    record: ServerRecord
    backend: Backend
    carrier: Carrier
    runner: Runner
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def wait(self) -> float:
        """Estimated seconds until the server is idle, including prompts of other clients."""
        return self.carrier.busy_for + self.backend.foreign * self.carrier.mean


class Builder(Protocol):
    """Builds and dismantles workers."""

    async def build(self, record: ServerRecord) -> Member:
        """Return a worker that is not started yet. Raises `BotError` for an unusable address."""
        ...

    async def dismiss(self, key: str) -> None:
        """Release what was built for a server."""
        ...


class Crew:
    """All workers. `only`: names, keys or addresses of the servers this process may use; empty for all."""

    def __init__(
        self,
        *,
        fleet: FleetRecords,
        tenancy: Tenancy,
        durations: Durations,
        hints: Hints,
        clock: Clock,
        only: Collection[str] = (),
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        """`waiting` returns the known number of queued jobs."""
        self._waiting = waiting
        self._fleet = fleet
        self._tenancy = tenancy
        self._durations = durations
        self._clock = clock
        self._hints = hints
        self._only = frozenset(only)
        self._members: dict[str, Member] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._records: Sequence[ServerRecord] = ()
        self._changed = asyncio.Event()
        hints.listen(Topic.FLEET, lambda _payload: self._changed.set())

    # ------------------------------------------------------------------ state

    @property
    def members(self) -> tuple[Member, ...]:
        """All workers, started or about to start."""
        return tuple(self._members.values())

    def get(self, key: str) -> Member | None:
        """Return the worker of the server with this `Backend.key`."""
        return self._members.get(key)

    def held(self) -> list[Backend]:
        """Return the servers leased by this process."""
        return [member.backend for member in self.members if self._tenancy.holds(member.record.key)]

    def is_ours(self, key: str) -> bool:
        """Return whether this process holds the lease of a server."""
        return key in self._members and self._tenancy.holds(key)

    def busy(self, key: str) -> float | None:
        """Return the seconds until a server of this process is idle; None when it is offline or not ours."""
        member = self._members.get(key)
        return member.wait if member and member.backend.online else None

    def is_resting(self, key: str) -> bool:
        """Return whether the circuit breaker keeps jobs from this server; never for the only available one."""
        member = self._members.get(key)
        return member is not None and member.carrier.breaker.is_resting and self.has_others(key)

    def has_others(self, key: str) -> bool:
        """Return whether another server is known to be available."""
        return any(self._is_there(record) for record in self._records if record.key != key and not record.drained)

    def is_worthwhile(self, key: str) -> bool:
        """Return whether a job claimed by this server now will start no later than on another one."""
        here = self._members[key].wait
        others = [
            member.wait
            for member in self.members
            if member.record.key != key and member.backend.online and not member.record.drained
        ]
        if not others:
            return True
        line = self._waiting() / len(others)
        return here <= min(others) + max(1.0, line) * self._members[key].carrier.mean

    async def elsewhere(self, job: Job, key: str) -> bool:
        """Return whether another available server can run a job. May raise `StoreDownError`."""
        there = [record for record in self._records if record.key != key and not record.drained]
        there = [record for record in there if self._is_there(record)]
        cls = job.spec.needs.cls
        if not there or not cls:
            return bool(there)
        verdicts = await self._fleet.verdicts(cls)
        return any(record.key in verdicts and verdicts[record.key].fits for record in there)

    def _is_there(self, record: ServerRecord) -> bool:
        member = self._members.get(record.key)
        return member.backend.online if member and self.is_ours(record.key) else record.health == ServerHealth.ONLINE

    # ------------------------------------------------------------------ starting and stopping

    async def run(self, builder: Builder) -> None:
        """Reconcile with the server records until cancelled; the owner then calls `close`."""
        while True:
            self._changed.clear()
            try:
                await self.reconcile(builder)
            except StoreDownError:
                log.debug("servers not refreshed: the database does not answer")
            await nap(self._clock, LOOK_EVERY, self._changed)

    async def reconcile(self, builder: Builder) -> None:
        """Start and stop workers once. May raise `StoreDownError`."""
        self._records = await self._fleet.servers()
        wanted = {record.key: record for record in self._records if self._may_have(record)}
        for key in [key for key in self._members if key not in wanted and key not in self._leaving]:
            self._leaving[key] = asyncio.create_task(self._let_go(key, builder), name=f"leaving {key}")
        new = [record for key, record in wanted.items() if key not in self._members]
        for record in new:
            await self._take_on(record, builder)
        for key, member in self._members.items():
            member.record = wanted.get(key, member.record)
        self._tenancy.set_servers(tuple(self._members))
        if new:
            await self._tenancy.renew()

    async def close(self) -> None:
        """Stop all workers; prompts on the servers continue."""
        await cancelled(*self._leaving.values())
        for member in self.members:
            await cancelled(*reversed(member.tasks))

    def _may_have(self, record: ServerRecord) -> bool:
        return not self._only or not self._only.isdisjoint({record.name, record.key, record.url})

    async def _take_on(self, record: ServerRecord, builder: Builder) -> None:
        try:
            member = await builder.build(record)
        except BotError as error:
            log.error("%s cannot be used: %s", record.name, error)  # noqa: TRY400  # no traceback needed
            return
        self._members[record.key] = member
        for work in (member.runner.run, member.runner.keep_informed):
            member.tasks.append(asyncio.create_task(self._keep_up(work, record.name), name=f"worker {record.name}"))

    async def _let_go(self, key: str, builder: Builder) -> None:
        """Let a server finish its jobs, then remove its worker."""
        member = self._members[key]
        log.info("%s was removed; its current jobs will finish", member.record.name)
        try:
            await member.runner.retire()
            await cancelled(*reversed(member.tasks))
            await builder.dismiss(key)
        finally:
            self._members.pop(key, None)
            self._leaving.pop(key, None)
            self._tenancy.set_servers(tuple(self._members))
            self._changed.set()  # it may have been added again in the meantime

    async def _keep_up(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Run an endless task and restart it after a crash: queued jobs depend on it."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("worker %s crashed and was restarted", name)
            await self._clock.sleep(RESTART_PAUSE)
