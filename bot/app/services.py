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
from bot.jobs.execution.worker_pool import WorkerBuilder, WorkerHandle, WorkerPool
from bot.jobs.job import Job, JobState
from bot.jobs.maintenance.recovery import Recovery
from bot.jobs.maintenance.retention import Retention
from bot.jobs.ports import Presenter
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.dispatcher import POSITIONS_LEASE, Dispatcher
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates, RunTimeLoader
from bot.jobs.scheduling.stale_positions import StalePositionRepair
from bot.jobs.server_registry import ServerRecord
from bot.workflow.graph.definitions import Definitions

DAY = 86_400.0

Task = tuple[str, Callable[[], Awaitable[None]]]
"""Name and function of an endless task."""


class Services:
    """Builds and runs them. `fleet` connects to the ComfyUI servers, `presenter` to Discord."""

    def __init__(
        self,
        *,
        resources: Resources,
        fleet: Fleet,
        presenter: Presenter,
        config: ProcessConfig,
        depth: int,
        results_kept: float,
        clock: Clock,
    ) -> None:
        self._resources = resources
        self._fleet = fleet
        self._presenter = presenter
        self._config = config
        self._clock = clock
        self._store, self._registry, self._bus = resources.store, resources.fleet, resources.bus
        self._owner = resources.owner
        self.run_times = RunTimeEstimates()
        self._build_queue()
        self._build_delivery()
        self._build_workers(depth)
        self._build_maintenance(results_kept)

    # ------------------------------------------------------------------ building, in the order of dependencies

    def _build_queue(self) -> None:
        registry, store, clock = self._registry, self._store, self._clock
        self.leases = LeaseManager(
            store=store,
            owner=self._owner,
            servers=(),
            clock=clock,
            fleet=None if self._resources.exclusive else registry,
            role=self._config.role,
            singleton_keys=(POSITIONS_LEASE,) if self._config.has_gateway else (),
            busyness=lambda key: self.worker_pool.busy_for(key),
        )
        self.worker_pool = WorkerPool(
            fleet=registry,
            leases=self.leases,
            run_times=self.run_times,
            bus=self._bus,
            clock=clock,
            only=self._config.servers,
            waiting=lambda: self.queue_view.total,
        )
        self.queue_view = QueueView(
            store=store,
            run_times=self.run_times,
            capacity=CapacityEstimator(fleet=registry, local=self.worker_pool, run_times=self.run_times, clock=clock),
            blockers=StartBlockers(fleet=registry, policy=self._resources.policies, clock=clock),
            clock=clock,
        )
        self._bus.subscribe(Topic.PAUSES, lambda _payload: self.queue_view.invalidate())
        self._bus.subscribe(Topic.FLEET, lambda _payload: self.queue_view.fleet_changed())
        self._stale_positions = StalePositionRepair(
            store=store, presenter=self._presenter, bus=self._bus, is_ours=self.worker_pool.is_leased, clock=clock
        )
        self.queue = Dispatcher(
            store=store,
            presenter=self._presenter,
            queue_view=self.queue_view,
            bus=self._bus,
            clock=clock,
            owner=self._owner,
            updates_positions=lambda: self._config.has_gateway and self.leases.holds(POSITIONS_LEASE),
            on_left=None if self._resources.exclusive else self._stale_positions.check,
        )

    def _build_delivery(self) -> None:
        store, clock = self._store, self._clock
        self.delivery_service = DeliveryService(
            store=store,
            presenter=self._presenter,
            results=self._resources.results,
            find=self._fleet.get,
            bus=self._bus,
            owner=self._owner,
            clock=clock,
        )
        self.enqueuer = Enqueuer(
            store=store,
            queue=self.queue,
            presenter=self._presenter,
            delivery_service=self.delivery_service,
            run_times=self.run_times,
            clock=clock,
            owner=self._owner,
        )

    def _build_workers(self, depth: int) -> None:
        store, clock = self._store, self._clock
        self._worker_builder = WorkerBuilder(
            store=store,
            queue=self.queue,
            leases=self.leases,
            run_times=self.run_times,
            presenter=self._presenter,
            delivery_service=self.delivery_service,
            pool=self.worker_pool,
            clock=clock,
            depth=depth,
        )
        self.canceller = JobCanceller(
            store=store,
            queue=self.queue,
            delivery_service=self.delivery_service,
            executors=lambda: [worker.executor for worker in self.worker_pool.workers],
            bus=self._bus,
            clock=clock,
        )
        self.compatibility = CompatibilityChecker(
            fleet=self._registry,
            servers=self.worker_pool.leased_backends,
            is_resting=self.worker_pool.is_resting,
            bus=self._bus,
            clock=clock,
        )

    def _build_maintenance(self, results_kept: float) -> None:
        store, clock = self._store, self._clock
        self._recovery = Recovery(
            store=store,
            queue=self.queue,
            enqueuer=self.enqueuer,
            delivery_service=self.delivery_service,
            fleet=self._registry,
            clock=clock,
            owner=self._owner,
            alone=self._resources.exclusive,
        )
        self._retention = Retention(
            store=store, results=self._resources.results, clock=clock, results_kept=results_kept
        )
        self._run_time_loader = RunTimeLoader(store=store, run_times=self.run_times, clock=clock)
        self._shared_definitions = SharedDefinitions(fleet=self._registry, bus=self._bus, clock=clock)

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
        recorded = self._shared_definitions()
        if not live.nodes or not self._resources.exclusive:
            return recorded if recorded.nodes else live
        return live

    def servers(self) -> Sequence[Definitions]:
        """Return the definitions of each server: connected ones, and stored ones."""
        live = [server.definitions for server in self._fleet.servers if server.definitions.nodes]
        return live if live and self._resources.exclusive else (*live, *self._shared_definitions.servers())

    def on_fleet_change(self) -> None:
        """Handle a server of this process going online or offline."""
        self.queue.wake()
        self.compatibility.wake()
        self.queue_view.fleet_changed()
        for worker in self.worker_pool.workers:
            worker.executor.update_status()

    # ------------------------------------------------------------------ life cycle

    async def begin(self, urls: dict[str, str]) -> None:
        """Recover jobs of earlier processes. `urls` are the servers in the settings (key → URL)."""
        if self._config.has_servers:
            await self._registry.register(urls, all_there_are=self._config.role is ProcessRole.ALL)
        await self._run_time_loader.load()
        await self._shared_definitions.load()
        await self._recovery.at_start()
        await self.queue_view.status()  # prepares its queries for the first command
        if self._config.has_servers:
            await self.worker_pool.sync_workers(self)

    def tasks(self) -> Iterator[Task]:
        """Yield the background tasks; they are stopped in reverse order."""
        yield "leases", self.leases.run
        yield "retention", self._retention.run
        yield "recovery", self._recovery.run
        yield "delivery", self.delivery_service.run
        yield "definitions", self._shared_definitions.run
        if not self._resources.exclusive:
            yield "run times", self._run_time_loader.run
        if self._config.has_servers:
            yield "cancellation", self.canceller.run
            yield "workers", partial(self.worker_pool.run, self)
            yield "compatibility", self.compatibility.run
        if self._config.has_gateway:
            yield "positions", self.queue.run_position_updates

    async def close(self) -> None:
        """Close what remains after the tasks have ended."""
        await self.enqueuer.close()
        await self._stale_positions.close()

    # ------------------------------------------------------------------ servers

    async def build(self, record: ServerRecord) -> WorkerHandle:
        server = self._fleet.get(record.key) or await self._fleet.add(record.url, record.name)

        @asynccontextmanager
        async def connected() -> AsyncGenerator[None]:
            self.compatibility.forget(record.key)
            await server.start()
            try:
                yield
            finally:
                await server.close()

        return self._worker_builder.build(record, server, connected)

    async def discard(self, key: str) -> None:
        await self._fleet.remove(key)
