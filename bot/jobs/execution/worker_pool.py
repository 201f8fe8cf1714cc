"""The pool of workers, one per ComfyUI server: starts them for added servers, stops them for removed ones.

The servers are recorded in the database; leases (`bot.jobs.cluster.leases`) decide which process uses them. Knows no
ComfyUI: the factory makes a backend from a server record.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

from bot.aio import Supervisor, cancel_and_wait, poll_forever
from bot.clock import Clock
from bot.errors import BotError
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.execution.executor import JobExecutor
from bot.jobs.execution.server_worker import Connect, ServerWorker
from bot.jobs.job import Job
from bot.jobs.ports import Backend, Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import ServerHealth, ServerRecord, ServerRegistry

log = logging.getLogger(__name__)

SERVER_POLL_INTERVAL = 5.0
"""Seconds between polls of the server records."""


@dataclass(slots=True)
class WorkerHandle:
    """One server with its worker."""

    record: ServerRecord
    backend: Backend
    executor: JobExecutor
    worker: ServerWorker
    tasks: Supervisor

    @property
    def wait(self) -> float:
        """Estimated seconds until the server is idle, including prompts of other clients."""
        return self.executor.busy_for + self.backend.foreign_prompts * self.executor.mean


class WorkerFactory(Protocol):
    """Connects workers to their servers."""

    async def build(self, record: ServerRecord) -> WorkerHandle:
        """Return a worker that is not started yet. Raises `BotError` for an unusable address."""
        ...

    async def discard(self, key: str) -> None:
        """Release what was built for a server."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBuilder:
    """Builds workers from what all of them share."""

    store: JobRepository
    queue: Dispatcher
    leases: LeaseManager
    run_times: RunTimeEstimates
    presenter: Presenter
    delivery_service: DeliveryService
    pool: "WorkerPool"
    clock: Clock
    depth: int = 2

    def build(self, record: ServerRecord, backend: Backend, connect: Connect = nullcontext) -> WorkerHandle:
        """Return the worker of a server; it enters `connect` while it holds the lease."""
        executor = JobExecutor(
            backend=backend,
            store=self.store,
            leases=self.leases,
            run_times=self.run_times,
            presenter=self.presenter,
            delivery_service=self.delivery_service,
            clock=self.clock,
            elsewhere=self.pool.can_run_elsewhere,
        )
        worker = ServerWorker(
            backend=backend,
            store=self.store,
            queue=self.queue,
            leases=self.leases,
            executor=executor,
            delivery_service=self.delivery_service,
            clock=self.clock,
            depth=self.depth,
            connect=connect,
            may_rest=lambda: self.pool.has_others(record.key),
            is_worthwhile=lambda: self.pool.is_worthwhile(record.key),
        )
        return WorkerHandle(record, backend, executor, worker, Supervisor(self.clock))


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

    def leased_backends(self) -> list[Backend]:
        """Return the servers leased by this process."""
        return [handle.backend for handle in self.workers if self._leases.holds(handle.record.key)]

    def is_leased(self, key: str) -> bool:
        """Return whether this process holds the lease of a server."""
        return key in self._workers and self._leases.holds(key)

    def busy_for(self, key: str) -> float:
        """Return the estimated seconds until a server has finished its jobs; 0 when it is not ours."""
        handle = self._workers.get(key)
        return handle.executor.busy_for if handle else 0.0

    def idle_in(self, key: str) -> float | None:
        """Return the seconds until a server of this process is idle; None when it is offline or not ours."""
        handle = self._workers.get(key)
        return handle.wait if handle and handle.backend.online else None

    def is_resting(self, key: str) -> bool:
        """Return whether the circuit breaker keeps jobs from this server; never for the only available one."""
        handle = self._workers.get(key)
        return handle is not None and handle.executor.breaker.is_open and self.has_others(key)

    def has_others(self, key: str) -> bool:
        """Return whether another server is known to be available."""
        return bool(self._others(key))

    def is_worthwhile(self, key: str) -> bool:
        """Return whether a job claimed by this server now will start no later than on another one."""
        here = self._workers[key].wait
        others = [
            handle.wait
            for handle in self.workers
            if handle.record.key != key and handle.backend.online and not handle.record.drained
        ]
        if not others:
            return True
        queued = self._waiting() / len(others)
        return here <= min(others) + max(1.0, queued) * self._workers[key].executor.mean

    async def can_run_elsewhere(self, job: Job, key: str) -> bool:
        """Return whether another available server can run a job. May raise `DatabaseUnavailableError`."""
        others = self._others(key)
        cls = job.spec.needs.cls
        if not others or not cls:
            return bool(others)
        verdicts = await self._fleet.compatibility(cls)
        return any(record.key in verdicts and verdicts[record.key].is_compatible for record in others)

    def _others(self, key: str) -> list[ServerRecord]:
        """Return the other servers that are online and not drained."""
        others = (record for record in self._records if record.key != key and not record.drained)
        return [record for record in others if self._is_reachable(record)]

    def _is_reachable(self, record: ServerRecord) -> bool:
        handle = self._workers.get(record.key)
        return handle.backend.online if handle and self.is_leased(record.key) else record.health == ServerHealth.ONLINE

    # ------------------------------------------------------------------ starting and stopping

    async def run(self, factory: WorkerFactory) -> None:
        """Reconcile with the server records, and work, until cancelled."""
        try:
            await poll_forever(
                lambda: self.reconcile(factory),
                SERVER_POLL_INTERVAL,
                self._clock,
                wake=self._changed,
                ignore=(DatabaseUnavailableError,),
            )
        finally:
            await self.close()

    async def reconcile(self, factory: WorkerFactory) -> None:
        """Start and stop workers once. May raise `DatabaseUnavailableError`."""
        await self.sync_workers(factory)
        for handle in self.workers:
            if not handle.tasks.is_running:
                handle.tasks.start(handle.worker.run, f"worker {handle.record.name}")
                handle.tasks.start(handle.worker.run_status_updates, f"status of {handle.record.name}")

    async def sync_workers(self, factory: WorkerFactory) -> None:
        """Add and remove workers once; new ones do not run yet. May raise `DatabaseUnavailableError`."""
        self._records = await self._fleet.servers()
        wanted = {record.key: record for record in self._records if self._is_selected(record)}
        for key in [key for key in self._workers if key not in wanted and key not in self._leaving]:
            self._leaving[key] = asyncio.create_task(self._remove(key, factory), name=f"leaving {key}")
        new = [record for key, record in wanted.items() if key not in self._workers]
        for record in new:
            await self._add(record, factory)
        for key, handle in self._workers.items():
            handle.record = wanted.get(key, handle.record)
        self._leases.set_servers(tuple(self._workers))
        if new:
            await self._leases.renew()

    async def close(self) -> None:
        """Stop all workers; prompts on the servers continue."""
        await cancel_and_wait(*self._leaving.values())
        for handle in self.workers:
            await handle.tasks.stop()

    def _is_selected(self, record: ServerRecord) -> bool:
        return not self._only or not self._only.isdisjoint({record.name, record.key, record.url})

    async def _add(self, record: ServerRecord, factory: WorkerFactory) -> None:
        try:
            handle = await factory.build(record)
        except BotError as error:
            log.error("%s cannot be used: %s", record.name, error)  # noqa: TRY400  # no traceback needed
            return
        self._workers[record.key] = handle

    async def _remove(self, key: str, factory: WorkerFactory) -> None:
        """Let a server finish its jobs, then remove its worker."""
        handle = self._workers[key]
        log.info("%s was removed; its current jobs will finish", handle.record.name)
        try:
            await handle.worker.retire()
            await handle.tasks.stop()
            await factory.discard(key)
        finally:
            self._workers.pop(key, None)
            self._leaving.pop(key, None)
            self._leases.set_servers(tuple(self._workers))
            self._changed.set()  # it may have been added again in the meantime
