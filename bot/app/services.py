"""Composition root, queue side: builds the queue, the workers, delivery and maintenance.

A gateway has no ComfyUI servers and a worker accepts no new jobs; both have the rest.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

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
        installation: Resources,
        fleet: Fleet,
        messages: DiscordPresenter,
        part: ProcessConfig,
        depth: int,
        results_kept: float,
        clock: Clock,
    ) -> None:
        self._installation = installation
        self._fleet = fleet
        self._messages = messages
        self._hints = installation.hints
        self._part = part
        self._depth = depth
        self._clock = clock
        self._store, self._owner = installation.store, installation.owner
        self.durations = RunTimeEstimates()
        self._build_line()
        self._build_ends(results_kept)
        self._build_crew()

    # ------------------------------------------------------------------ building

    def _build_line(self) -> None:
        records, store, clock = self._installation.fleet, self._store, self._clock
        self.tenancy = LeaseManager(
            store=store,
            owner=self._owner,
            servers=(),
            clock=clock,
            fleet=None if self._installation.exclusive else records,
            role=self._part.role,
            singleton_keys=(POSITIONS_LEASE,) if self._part.has_gateway else (),
            busyness=self._busyness,
        )
        self.crew = WorkerPool(
            fleet=records,
            tenancy=self.tenancy,
            durations=self.durations,
            hints=self._hints,
            clock=clock,
            only=self._part.servers,
            waiting=lambda: self.lineup.total,
        )
        self.lineup = QueueView(
            store=store,
            durations=self.durations,
            places=CapacityEstimator(fleet=records, known=self.crew, durations=self.durations, clock=clock),
            obstacles=StartBlockers(fleet=records, policy=self._installation.policies, clock=clock),
            clock=clock,
        )
        self._hints.subscribe(Topic.PAUSES, lambda _payload: self.lineup.invalidate())
        self._hints.subscribe(Topic.FLEET, lambda _payload: self.lineup.fleet_changed())
        self._departures = StalePositionRepair(
            store=store, presenter=self._messages, hints=self._hints, is_ours=self.crew.is_leased, clock=clock
        )
        self.queue = Dispatcher(
            store=store,
            presenter=self._messages,
            lineup=self.lineup,
            durations=self.durations,
            hints=self._hints,
            clock=clock,
            owner=self._owner,
            tells=lambda: self._part.has_gateway and self.tenancy.holds(POSITIONS_LEASE),
            on_left=None if self._installation.exclusive else self._departures.check,
        )

    def _build_ends(self, results_kept: float) -> None:
        store, clock = self._store, self._clock
        self.deliverer = DeliveryService(
            store=store,
            presenter=self._messages,
            shelf=self._installation.shelf,
            find=self._fleet.get,
            hints=self._hints,
            owner=self._owner,
            clock=clock,
        )
        self.intake = Enqueuer(
            store=store,
            queue=self.queue,
            presenter=self._messages,
            deliverer=self.deliverer,
            durations=self.durations,
            clock=clock,
            owner=self._owner,
        )
        self._recovery = Recovery(
            store=store,
            queue=self.queue,
            intake=self.intake,
            deliverer=self.deliverer,
            fleet=self._installation.fleet,
            clock=clock,
            owner=self._owner,
            alone=self._installation.exclusive,
        )
        self._janitor = Retention(store=store, shelf=self._installation.shelf, clock=clock, results_kept=results_kept)

    def _build_crew(self) -> None:
        clock = self._clock
        self.canceller = JobCanceller(
            store=self._store,
            queue=self.queue,
            deliverer=self.deliverer,
            carriers=lambda: [member.carrier for member in self.crew.workers],
            hints=self._hints,
            clock=clock,
        )
        self._judge = CompatibilityChecker(
            fleet=self._installation.fleet,
            servers=self.crew.leased_backends,
            is_resting=self.crew.is_resting,
            hints=self._hints,
            clock=clock,
        )
        self._learning = RunTimeLoader(store=self._store, durations=self.durations, clock=clock)
        self._recorded = SharedDefinitions(fleet=self._installation.fleet, hints=self._hints, clock=clock)

    def _busyness(self, key: str) -> float:
        member = self.crew.get(key)
        return member.carrier.busy_for if member else 0.0

    # ------------------------------------------------------------------ queries and events

    def is_reported_here(self, job: Job) -> bool:
        """Whether this process updates the message of a job."""
        if self._installation.exclusive:
            return True
        is_with_a_server = job.state in (JobState.RUNNING, JobState.DELIVERING)
        return self.crew.is_leased(job.server) if is_with_a_server else self.tenancy.holds(POSITIONS_LEASE)

    def definitions(self) -> Definitions:
        """Return the servers' combined definitions: those of connected servers, or the stored ones of all."""
        live = self._fleet.definitions()
        recorded = self._recorded()
        if not live.nodes or not self._installation.exclusive:
            return recorded if recorded.nodes else live
        return live

    def servers(self) -> Sequence[Definitions]:
        """Return the definitions of each server: connected ones, and stored ones."""
        live = [server.definitions for server in self._fleet.servers if server.definitions.nodes]
        return live if live and self._installation.exclusive else (*live, *self._recorded.servers())

    def on_fleet_change(self) -> None:
        """Handle a server of this process going online or offline."""
        self.queue.wake()
        self._judge.wake()
        self.lineup.fleet_changed()
        for member in self.crew.workers:
            member.runner.update_status()

    def on_learnt(self) -> None:
        """Handle new definitions of a server of this process."""
        self._judge.wake()

    # ------------------------------------------------------------------ life cycle

    async def begin(self, urls: dict[str, str]) -> None:
        """Recover jobs of earlier processes. `urls` are the servers in the settings (key → URL)."""
        if self._part.has_servers:
            await self._installation.fleet.register(urls, all_there_are=self._part.role is ProcessRole.ALL)
        await self._learning.load()
        await self._recorded.load()
        await self._recovery.at_start()
        await self.lineup.status()  # prepares its queries for the first command
        if self._part.has_servers:
            await self.crew.reconcile(self)

    def tasks(self) -> Iterator[Task]:
        """Yield the background tasks; they are stopped in reverse order."""
        yield "leases", self.tenancy.run
        yield "janitor", self._janitor.run
        yield "recovery", self._recovery.run
        yield "deliverer", self.deliverer.run
        yield "definitions", self._recorded.run
        if not self._installation.exclusive:
            yield "learning", self._learning.run
        if self._part.has_servers:
            yield "canceller", self.canceller.run
            yield "crew", self._crew
            yield "judge", self._judge.run
        if self._part.has_gateway:
            yield "positions", self.queue.run_position_updates

    async def close(self) -> None:
        """Close what remains after the tasks have ended."""
        await self.intake.close()
        await self._departures.close()

    async def release(self) -> None:
        """Release the leases, once nothing needs them any more."""
        await self.tenancy.release()

    async def _crew(self) -> None:
        try:
            await self.crew.run(self)
        finally:
            await self.crew.close()

    # ------------------------------------------------------------------ servers

    async def build(self, record: ServerRecord) -> WorkerHandle:
        server = self._fleet.get(record.key) or await self._fleet.add(record.url, record.name)
        carrier = JobExecutor(
            backend=server,
            store=self._store,
            tenancy=self.tenancy,
            durations=self.durations,
            presenter=self._messages,
            deliverer=self.deliverer,
            clock=self._clock,
            elsewhere=self.crew.can_run_elsewhere,
        )

        @asynccontextmanager
        async def connected() -> AsyncGenerator[None]:
            self._judge.forget(record.key)
            await server.start()
            try:
                yield
            finally:
                await server.close()

        runner = ServerWorker(
            backend=server,
            store=self._store,
            queue=self.queue,
            tenancy=self.tenancy,
            carrier=carrier,
            deliverer=self.deliverer,
            clock=self._clock,
            depth=self._depth,
            connect=connected,
            may_rest=lambda: self.crew.has_others(record.key),
            is_worthwhile=lambda: self.crew.is_worthwhile(record.key),
        )
        return WorkerHandle(record, server, carrier, runner)

    async def discard(self, key: str) -> None:
        await self._fleet.remove(key)
