"""The pool of workers, one per ComfyUI server: starts them for added servers, stops them for removed ones.

The servers are recorded in the database; leases (`bot.jobs.cluster.leases`) decide which process uses them. Knows no
ComfyUI: the builder makes a backend from a server record.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.aio import cancel_and_wait, wait_for_event
from bot.clock import Clock
from bot.errors import BotError
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.execution.executor import JobExecutor
from bot.jobs.execution.server_worker import ServerWorker
from bot.jobs.job import Job
from bot.jobs.ports import Backend
from bot.jobs.repository import DatabaseUnavailableError
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import ServerHealth, ServerRecord, ServerRegistry

log = logging.getLogger(__name__)

SERVER_POLL_INTERVAL = 5.0
"""Seconds between polls of the server records."""
RESTART_PAUSE = 5.0
"""Seconds before a crashed worker is restarted."""


@dataclass(slots=True)
class WorkerHandle:
    """One server with its worker."""

    record: ServerRecord
    backend: Backend
    executor: JobExecutor
    runner: ServerWorker
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def wait(self) -> float:
        """Estimated seconds until the server is idle, including prompts of other clients."""
        return self.executor.busy_for + self.backend.foreign_prompts * self.executor.mean


class WorkerFactory(Protocol):
    """Builds and dismantles workers."""

    async def build(self, record: ServerRecord) -> WorkerHandle:
        """Return a worker that is not started yet. Raises `BotError` for an unusable address."""
        ...

    async def discard(self, key: str) -> None:
        """Release what was built for a server."""
        ...


class WorkerPool:
    """All workers. `only`: names, keys or addresses of the servers this process may use; empty for all."""

    def __init__(
        self,
        *,
        fleet: ServerRegistry,
        leases: LeaseManager,
        run_times: RunTimeEstimates,
        bus: NotificationBus,
        clock: Clock,
        only: Collection[str] = (),
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        """`waiting` returns the known number of queued jobs."""
        self._waiting = waiting
        self._fleet = fleet
        self._leases = leases
        self._run_times = run_times
        self._clock = clock
        self._bus = bus
        self._only = frozenset(only)
        self._workers: dict[str, WorkerHandle] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._records: Sequence[ServerRecord] = ()
        self._changed = asyncio.Event()
        bus.subscribe(Topic.FLEET, lambda _payload: self._changed.set())

    # ------------------------------------------------------------------ state

    @property
    def workers(self) -> tuple[WorkerHandle, ...]:
        """All workers, started or about to start."""
        return tuple(self._workers.values())

    def get(self, key: str) -> WorkerHandle | None:
        """Return the worker of the server with this `Backend.key`."""
        return self._workers.get(key)

    def leased_backends(self) -> list[Backend]:
        """Return the servers leased by this process."""
        return [member.backend for member in self.workers if self._leases.holds(member.record.key)]

    def is_leased(self, key: str) -> bool:
        """Return whether this process holds the lease of a server."""
        return key in self._workers and self._leases.holds(key)

    def busy(self, key: str) -> float | None:
        """Return the seconds until a server of this process is idle; None when it is offline or not ours."""
        member = self._workers.get(key)
        return member.wait if member and member.backend.online else None

    def is_resting(self, key: str) -> bool:
        """Return whether the circuit breaker keeps jobs from this server; never for the only available one."""
        member = self._workers.get(key)
        return member is not None and member.executor.breaker.is_open and self.has_others(key)

    def has_others(self, key: str) -> bool:
        """Return whether another server is known to be available."""
        return any(self._is_reachable(record) for record in self._records if record.key != key and not record.drained)

    def is_worthwhile(self, key: str) -> bool:
        """Return whether a job claimed by this server now will start no later than on another one."""
        here = self._workers[key].wait
        others = [
            member.wait
            for member in self.workers
            if member.record.key != key and member.backend.online and not member.record.drained
        ]
        if not others:
            return True
        line = self._waiting() / len(others)
        return here <= min(others) + max(1.0, line) * self._workers[key].executor.mean

    async def can_run_elsewhere(self, job: Job, key: str) -> bool:
        """Return whether another available server can run a job. May raise `DatabaseUnavailableError`."""
        there = [record for record in self._records if record.key != key and not record.drained]
        there = [record for record in there if self._is_reachable(record)]
        cls = job.spec.needs.cls
        if not there or not cls:
            return bool(there)
        verdicts = await self._fleet.compatibility(cls)
        return any(record.key in verdicts and verdicts[record.key].is_compatible for record in there)

    def _is_reachable(self, record: ServerRecord) -> bool:
        member = self._workers.get(record.key)
        return member.backend.online if member and self.is_leased(record.key) else record.health == ServerHealth.ONLINE

    # ------------------------------------------------------------------ starting and stopping

    async def run(self, builder: WorkerFactory) -> None:
        """Reconcile with the server records, and work, until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self.reconcile(builder)
                except DatabaseUnavailableError:
                    log.debug("servers not refreshed: the database does not answer")
                await wait_for_event(self._clock, SERVER_POLL_INTERVAL, self._changed)
        finally:
            await self.close()

    async def reconcile(self, builder: WorkerFactory) -> None:
        """Start and stop workers once. May raise `DatabaseUnavailableError`."""
        await self.sync_workers(builder)
        for member in self.workers:
            if not member.tasks:
                for work in (member.runner.run, member.runner.run_status_updates):
                    name = member.record.name
                    member.tasks.append(asyncio.create_task(self._keep_up(work, name), name=f"work with {name}"))

    async def sync_workers(self, builder: WorkerFactory) -> None:
        """Add and remove workers once; new ones do not run yet. May raise `DatabaseUnavailableError`."""
        self._records = await self._fleet.servers()
        wanted = {record.key: record for record in self._records if self._is_selected(record)}
        for key in [key for key in self._workers if key not in wanted and key not in self._leaving]:
            self._leaving[key] = asyncio.create_task(self._remove(key, builder), name=f"leaving {key}")
        new = [record for key, record in wanted.items() if key not in self._workers]
        for record in new:
            await self._add(record, builder)
        for key, member in self._workers.items():
            member.record = wanted.get(key, member.record)
        self._leases.set_servers(tuple(self._workers))
        if new:
            await self._leases.renew()

    async def close(self) -> None:
        """Stop all workers; prompts on the servers continue."""
        await cancel_and_wait(*self._leaving.values())
        for member in self.workers:
            await cancel_and_wait(*reversed(member.tasks))
            member.tasks.clear()

    def _is_selected(self, record: ServerRecord) -> bool:
        return not self._only or not self._only.isdisjoint({record.name, record.key, record.url})

    async def _add(self, record: ServerRecord, builder: WorkerFactory) -> None:
        try:
            member = await builder.build(record)
        except BotError as error:
            log.error("%s cannot be used: %s", record.name, error)  # noqa: TRY400  # no traceback needed
            return
        self._workers[record.key] = member

    async def _remove(self, key: str, builder: WorkerFactory) -> None:
        """Let a server finish its jobs, then remove its worker."""
        member = self._workers[key]
        log.info("%s was removed; its current jobs will finish", member.record.name)
        try:
            await member.runner.retire()
            await cancel_and_wait(*reversed(member.tasks))
            await builder.discard(key)
        finally:
            self._workers.pop(key, None)
            self._leaving.pop(key, None)
            self._leases.set_servers(tuple(self._workers))
            self._changed.set()  # it may have been added again in the meantime

    async def _keep_up(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Run an endless task and restart it after a crash: queued jobs depend on it."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("worker %s crashed and was restarted", name)
            await self._clock.sleep(RESTART_PAUSE)
