"""Composition root, queue side: builds the queue, the workers, delivery and maintenance.

A gateway has no ComfyUI servers and a worker accepts no new jobs; both have the rest.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bot.app.process_role import ProcessConfig, ProcessRole
from bot.app.resources import Resources
from bot.clock import Clock
from bot.comfy.fleet import Fleet
from bot.jobs.cluster.bus import Topic
from bot.jobs.cluster.compatibility import CompatibilityChecker
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.cluster.shared_definitions import SharedDefinitions
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.enqueue import Enqueuer
from bot.jobs.execution.cancellation import JobCanceller
from bot.jobs.execution.executor import JobExecutor
from bot.jobs.execution.server_worker import ServerWorker
from bot.jobs.execution.worker_pool import WorkerHandle, WorkerPool
from bot.jobs.job import Job, JobState
from bot.jobs.maintenance.recovery import Recovery
from bot.jobs.maintenance.retention import Retention
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.dispatcher import POSITIONS_LEASE, Dispatcher
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates, RunTimeLoader
from bot.jobs.scheduling.stale_positions import StalePositionRepair
from bot.jobs.server_registry import ServerRecord
from bot.ui.messages.presenter import DiscordPresenter
from bot.workflow.graph.definitions import Definitions

DAY = 86_400.0

Task = tuple[str, Callable[[], Awaitable[None]]]
"""Name and function of an endless task."""


class Services:
    """Builds and runs them. `fleet` connects to the ComfyUI servers, `messages` to Discord."""

    def __init__(
        self,
        *,
        resources: Resources,
        fleet: Fleet,
        messages: DiscordPresenter,
        part: ProcessConfig,
        depth: int,
        results_kept: float,
        clock: Clock,
    ) -> None:
        self._resources = resources
        self._fleet = fleet
        self._messages = messages
        self._bus = resources.bus
        self._part = part
        self._depth = depth
        self._clock = clock
        self._store, self._owner = resources.store, resources.owner
        self.run_times = RunTimeEstimates()
        self._build_line()
        self._build_ends(results_kept)
        self._build_workers()

    # ------------------------------------------------------------------ building

    def _build_line(self) -> None:
        records, store, clock = self._resources.fleet, self._store, self._clock
        self.leases = LeaseManager(
            store=store,
            owner=self._owner,
            servers=(),
            clock=clock,
            fleet=None if self._resources.exclusive else records,
            role=self._part.role,
            singleton_keys=(POSITIONS_LEASE,) if self._part.has_gateway else (),
            busyness=self._busyness,
        )
        self.worker_pool = WorkerPool(
            fleet=records,
            leases=self.leases,
            run_times=self.run_times,
            bus=self._bus,
            clock=clock,
            only=self._part.servers,
            waiting=lambda: self.queue_view.total,
        )
        self.queue_view = QueueView(
            store=store,
            run_times=self.run_times,
            places=CapacityEstimator(fleet=records, known=self.worker_pool, run_times=self.run_times, clock=clock),
            blockers=StartBlockers(fleet=records, policy=self._resources.policies, clock=clock),
            clock=clock,
        )
        self._bus.subscribe(Topic.PAUSES, lambda _payload: self.queue_view.invalidate())
        self._bus.subscribe(Topic.FLEET, lambda _payload: self.queue_view.fleet_changed())
        self._stale_positions = StalePositionRepair(
            store=store, presenter=self._messages, bus=self._bus, is_ours=self.worker_pool.is_leased, clock=clock
        )
        self.queue = Dispatcher(
            store=store,
            presenter=self._messages,
            queue_view=self.queue_view,
            run_times=self.run_times,
            bus=self._bus,
            clock=clock,
            owner=self._owner,
            tells=lambda: self._part.has_gateway and self.leases.holds(POSITIONS_LEASE),
            on_left=None if self._resources.exclusive else self._stale_positions.check,
        )

    def _build_ends(self, results_kept: float) -> None:
        store, clock = self._store, self._clock
        self.delivery_service = DeliveryService(
            store=store,
            presenter=self._messages,
            results=self._resources.results,
            find=self._fleet.get,
            bus=self._bus,
            owner=self._owner,
            clock=clock,
        )
        self.enqueuer = Enqueuer(
            store=store,
            queue=self.queue,
            presenter=self._messages,
            delivery_service=self.delivery_service,
            run_times=self.run_times,
            clock=clock,
            owner=self._owner,
        )
        self._recovery = Recovery(
            store=store,
            queue=self.queue,
            enqueuer=self.enqueuer,
            delivery_service=self.delivery_service,
            fleet=self._resources.fleet,
            clock=clock,
            owner=self._owner,
            alone=self._resources.exclusive,
        )
        self._retention = Retention(
            store=store, results=self._resources.results, clock=clock, results_kept=results_kept
        )

    def _build_workers(self) -> None:
        clock = self._clock
        self.canceller = JobCanceller(
            store=self._store,
            queue=self.queue,
            delivery_service=self.delivery_service,
            executors=lambda: [member.executor for member in self.worker_pool.workers],
            bus=self._bus,
            clock=clock,
        )
        self._compatibility = CompatibilityChecker(
            fleet=self._resources.fleet,
            servers=self.worker_pool.leased_backends,
            is_resting=self.worker_pool.is_resting,
            bus=self._bus,
            clock=clock,
        )
        self._learning = RunTimeLoader(store=self._store, run_times=self.run_times, clock=clock)
        self._recorded = SharedDefinitions(fleet=self._resources.fleet, bus=self._bus, clock=clock)

    def _busyness(self, key: str) -> float:
        member = self.worker_pool.get(key)
        return member.executor.busy_for if member else 0.0

    # ------------------------------------------------------------------ queries and events

    def is_reported_here(self, job: Job) -> bool:
        """Whether this process updates the message of a job."""
        if self._resources.exclusive:
            return True
        is_with_a_server = job.state in (JobState.RUNNING, JobState.DELIVERING)
        return self.worker_pool.is_leased(job.server) if is_with_a_server else self.leases.holds(POSITIONS_LEASE)

    def definitions(self) -> Definitions:
        """Return the servers' combined definitions: those of connected servers, or the stored ones of all."""
        live = self._fleet.definitions()
        recorded = self._recorded()
        if not live.nodes or not self._resources.exclusive:
            return recorded if recorded.nodes else live
        return live

    def servers(self) -> Sequence[Definitions]:
        """Return the definitions of each server: connected ones, and stored ones."""
        live = [server.definitions for server in self._fleet.servers if server.definitions.nodes]
        return live if live and self._resources.exclusive else (*live, *self._recorded.servers())

    def on_fleet_change(self) -> None:
        """Handle a server of this process going online or offline."""
        self.queue.wake()
        self._compatibility.wake()
        self.queue_view.fleet_changed()
        for member in self.worker_pool.workers:
            member.runner.update_status()

    def on_capabilities(self) -> None:
        """Handle new definitions of a server of this process."""
        self._compatibility.wake()

    # ------------------------------------------------------------------ life cycle

    async def begin(self, urls: dict[str, str]) -> None:
        """Recover jobs of earlier processes. `urls` are the servers in the settings (key → URL)."""
        if self._part.has_servers:
            await self._resources.fleet.register(urls, all_there_are=self._part.role is ProcessRole.ALL)
        await self._learning.load()
        await self._recorded.load()
        await self._recovery.at_start()
        await self.queue_view.status()  # prepares its queries for the first command
        if self._part.has_servers:
            await self.worker_pool.sync_workers(self)

    def tasks(self) -> Iterator[Task]:
        """Yield the background tasks; they are stopped in reverse order."""
        yield "leases", self.leases.run
        yield "janitor", self._retention.run
        yield "recovery", self._recovery.run
        yield "deliverer", self.delivery_service.run
        yield "definitions", self._recorded.run
        if not self._resources.exclusive:
            yield "learning", self._learning.run
        if self._part.has_servers:
            yield "canceller", self.canceller.run
            yield "workers", partial(self.worker_pool.run, self)
            yield "judge", self._compatibility.run
        if self._part.has_gateway:
            yield "positions", self.queue.run_position_updates

    async def close(self) -> None:
        """Close what remains after the tasks have ended."""
        await self.enqueuer.close()
        await self._stale_positions.close()

    async def release(self) -> None:
        """Release the leases, once nothing needs them any more."""
        await self.leases.release()

    # ------------------------------------------------------------------ servers

    async def build(self, record: ServerRecord) -> WorkerHandle:
        server = self._fleet.get(record.key) or await self._fleet.add(record.url, record.name)
        executor = JobExecutor(
            backend=server,
            store=self._store,
            leases=self.leases,
            run_times=self.run_times,
            presenter=self._messages,
            delivery_service=self.delivery_service,
            clock=self._clock,
            elsewhere=self.worker_pool.can_run_elsewhere,
        )

        @asynccontextmanager
        async def connected() -> AsyncGenerator[None]:
            self._compatibility.forget(record.key)
            await server.start()
            try:
                yield
            finally:
                await server.close()

        runner = ServerWorker(
            backend=server,
            store=self._store,
            queue=self.queue,
            leases=self.leases,
            executor=executor,
            delivery_service=self.delivery_service,
            clock=self._clock,
            depth=self._depth,
            connect=connected,
            may_rest=lambda: self.worker_pool.has_others(record.key),
            is_worthwhile=lambda: self.worker_pool.is_worthwhile(record.key),
        )
        return WorkerHandle(record, server, executor, runner)

    async def discard(self, key: str) -> None:
        await self._fleet.remove(key)
