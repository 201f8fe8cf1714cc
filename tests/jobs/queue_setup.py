"""All of `bot.jobs` around one server, as the bot builds it: what a test orders from, breaks, and starts again."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.jobs.cluster.bus import LocalBus
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.delivery.result_files import FileResultStore
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.execution.server_worker import ServerWorker
from bot.jobs.execution.worker_pool import WorkerBuilder, WorkerPool
from bot.jobs.job import Job, JobState
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import ServerRecord, ServerRegistry
from bot.workflow.run.spec import RunSpec
from tests.clocks import ManualClock
from tests.databases import memory_store
from tests.jobs.doubles import Board, FewPlaces, Reasons, ScriptedBackend, place, requester, spec

OWNER = "this-bot"


class Staff:
    """One process's worth of collaborators and their tasks."""

    def __init__(
        self, backend: Any, store: Any, results: Any, board: Any, clock: Clock, *, depth: int = 2, owner: str = OWNER
    ) -> None:
        self.leases = LeaseManager(store=store, owner=owner, servers=[backend.key], clock=clock)
        self.run_times = RunTimeEstimates()
        self.bus = LocalBus()
        queue_view = QueueView(
            store=store,
            run_times=self.run_times,
            capacity=cast("CapacityEstimator", FewPlaces(lambda: [self.executor.busy_for] if backend.online else [])),
            blockers=cast("StartBlockers", Reasons()),
            clock=clock,
        )
        self.queue = Dispatcher(
            store=store,
            presenter=board,
            queue_view=queue_view,
            bus=self.bus,
            clock=clock,
            owner=owner,
        )
        self.delivery_service = DeliveryService(
            store=store,
            presenter=board,
            results=results,
            find=lambda key: backend if key == backend.key else None,
            bus=self.bus,
            owner=owner,
            clock=clock,
        )
        builder = WorkerBuilder(
            store=store,
            queue=self.queue,
            leases=self.leases,
            run_times=self.run_times,
            presenter=board,
            delivery_service=self.delivery_service,
            pool=WorkerPool(
                fleet=cast("ServerRegistry", None),  # not asked: there is one server, and nobody adds another
                leases=self.leases,
                run_times=self.run_times,
                bus=self.bus,
                clock=clock,
            ),
            clock=clock,
            depth=depth,
        )
        record = ServerRecord(key=backend.key, url=backend.key, name=backend.name)
        handle = builder.build(record, backend)
        self.executor, self.worker = handle.executor, handle.worker
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Start to work."""
        for work in (self.leases.run, self.delivery_service.run, self.worker.run):
            self._tasks.append(asyncio.create_task(work()))

    async def crash(self) -> None:
        """End at once: nothing is finished, nobody is told."""
        await cancel_and_wait(*self._tasks, *self.delivery_service._under_way)

    async def stop(self) -> None:
        """End as a bot does that is asked to stop."""
        for task in reversed(self._tasks):
            await cancel_and_wait(task)


@dataclass
class Shop:
    """A line with one server, and what its members see."""

    backend: ScriptedBackend
    board: Board
    store: Any
    results: FileResultStore
    clock: ManualClock
    staff: Staff
    numbers: int = 0
    ordered: list[Job] = field(default_factory=list)

    @property
    def worker(self) -> ServerWorker:
        return self.staff.worker

    @property
    def queue(self) -> Dispatcher:
        return self.staff.queue

    async def order(self, what: RunSpec | None = None, **changes: Any) -> Job:
        """Put a job into the line."""
        self.numbers += 1
        job = new_job(what or spec(), self.numbers, created=self.clock.now(), **changes)
        await self.store.add(job)
        self.queue.wake()
        return job

    async def newest(self, job: Job) -> Job:
        """Return what the store says about a job."""
        newest = await self.store.get(job.id)
        assert newest is not None
        return newest

    async def state(self, job: Job) -> JobState:
        return (await self.newest(job)).state

    async def ended(self, job: Job) -> JobState:
        """Return how a job ended; time passes meanwhile."""
        return await ended(self.store, job, self.clock)

    async def passes(self, seconds: float) -> None:
        """Let time pass in steps, with the database keeping up."""
        for _ in range(round(seconds)):
            await self.clock.advance(1.0)
            await asyncio.sleep(0.003)

    async def reaches(self, job: Job, state: JobState) -> Job:
        """Return a job as soon as it is in a state; time stands still meanwhile."""
        for _ in range(3000):
            if (newest := await self.newest(job)).state is state:
                return newest
            await asyncio.sleep(0.001)
        raise AssertionError(f"job {job.id} is {await self.state(job)}")


def queue_view(store: Any, run_times: RunTimeEstimates, clock: Clock) -> QueueView:
    """A lineup that knows of one free server, and of nothing that holds jobs back."""
    capacity, blockers = cast("CapacityEstimator", FewPlaces(lambda: [0.0])), cast("StartBlockers", Reasons())
    return QueueView(store=store, run_times=run_times, capacity=capacity, blockers=blockers, clock=clock)


def new_job(what: RunSpec, number: int, **changes: Any) -> Job:
    """A job in the line."""
    return Job(id=str(uuid.uuid4()), spec=what, requester=requester(), place=place(number), **changes)


async def ended(store: Any, job: Job, clock: ManualClock | None = None) -> JobState:
    """Wait until a job has ended and its member was told; with a clock, its time passes meanwhile."""
    for _ in range(3000):
        newest = await store.get(job.id)
        if newest.state.is_final and newest.delivery != "pending":
            return newest.state
        await asyncio.sleep(0.002)
        if clock:
            await clock.advance(0.1)
    raise AssertionError(f"job {job.id} does not end: {await store.get(job.id)}")


async def until(condition: Any, what: str = "") -> None:
    """Wait until something holds."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"never happened: {what}")


@asynccontextmanager
async def opened(
    backend: ScriptedBackend,
    folder: Path,
    *,
    depth: int = 2,
    board: Board | None = None,
    before: Callable[[Shop], Awaitable[None]] | None = None,
    around: Callable[[Any], Any] = lambda store: store,
) -> AsyncGenerator[Shop]:
    """A shop that works, with a clock that stands still unless it is moved.

    `before` says what an earlier process has left, `around` what stands between the staff and the store.
    """
    clock, board, results = ManualClock(), board or Board(), FileResultStore(folder / "results", durable=False)
    async with memory_store(clock.now) as store:
        staff = Staff(backend, around(store), results, board, clock, depth=depth)
        shop = Shop(backend, board, store, results, clock, staff)
        if before:
            await before(shop)
        staff.begin()
        try:
            yield shop
        finally:
            await staff.crash()
