"""Servers come and go while the bot runs: each gets somebody to work with it, and what it had is not lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from bot.aio import cancel_and_wait
from bot.jobs.cluster.bus import LocalBus, Topic
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.execution.circuit_breaker import TRIP_AFTER
from bot.jobs.execution.server_worker import OFFLINE_GRACE
from bot.jobs.execution.worker_pool import WorkerBuilder, WorkerHandle, WorkerPool
from bot.jobs.job import Job, JobState
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import Compatibility, ServerRecord
from bot.storage.database import Database, open_database
from bot.workflow.graph.definitions import Definitions, NodeDefinition
from bot.workflow.run.events import (
    RunEnded,
    RunEvent,
    RunLost,
    RunStarted,
)
from bot.workflow.run.needs import Abilities, Needs
from tests.clocks import ManualClock
from tests.jobs.doubles import Board, MemoryResultStore, ScriptedBackend, spec
from tests.jobs.queue_setup import new_job, queue_view, until

ONE, TWO = "http://one", "http://two"
RUN: list[RunEvent] = [RunStarted(), RunEnded()]


class Scene:
    """A process with a crew; its servers do as told."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        self.store, self.board, self.bus = database.jobs, Board(), LocalBus()
        self.run_times = RunTimeEstimates()
        self.backends: dict[str, ScriptedBackend] = {}
        self.leases = LeaseManager(store=self.store, owner="us", servers=(), clock=clock)
        self.pool = WorkerPool(
            fleet=database.fleet, leases=self.leases, run_times=self.run_times, bus=self.bus, clock=clock
        )
        self.queue = Dispatcher(
            store=self.store,
            presenter=self.board,
            queue_view=queue_view(self.store, self.run_times, clock),
            bus=self.bus,
            clock=clock,
            owner="us",
        )
        self.delivery_service = DeliveryService(
            store=self.store,
            presenter=self.board,
            results=MemoryResultStore(),
            find=self.backends.get,
            bus=self.bus,
            owner="us",
            clock=clock,
        )
        self.builder = WorkerBuilder(
            store=self.store,
            queue=self.queue,
            leases=self.leases,
            run_times=self.run_times,
            presenter=self.board,
            delivery_service=self.delivery_service,
            pool=self.pool,
            clock=clock,
        )
        self.tasks = [asyncio.create_task(self.leases.run()), asyncio.create_task(self.delivery_service.run())]

    async def build(self, record: ServerRecord) -> WorkerHandle:
        backend = ScriptedBackend(name=record.name, key=record.key, script=[RUN])
        self.backends[record.key] = backend
        return self.builder.build(record, backend)

    async def discard(self, key: str) -> None:
        del self.backends[key]

    async def add(self, key: str) -> ScriptedBackend:
        await self.database.fleet.add(key, key, "", 1)
        await self.pool.reconcile(self)
        return self.backends[key]

    async def order(self, number: int, **changes: Any) -> Job:
        job = new_job(spec(**changes), number, created=float(number))
        await self.store.add(job)
        self.queue.wake()
        return job

    async def reaches(self, job: Job, state: JobState, seconds: float = 0.0) -> Job:
        """Return a job once it is in a state; up to so many seconds pass meanwhile."""
        for _ in range(1000):
            newest = await self.store.get(job.id)
            assert newest is not None
            if newest.state is state:
                return newest
            await asyncio.sleep(0.003)
            if seconds > 0:
                seconds -= 1.0
                await self.clock.advance(1.0)
        raise AssertionError(f"job {job.id} did not become {state}")


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    clock = ManualClock()
    database = await open_database("sqlite:///:memory:", clock=clock.now)
    here = Scene(database, clock)
    try:
        yield here
    finally:
        await here.pool.close()
        await cancel_and_wait(*here.tasks)
        await database.close()


async def test_a_server_that_is_added_works_at_once() -> None:
    async with scene() as here:
        job = await here.order(1)
        await here.add(ONE)
        done = await here.reaches(job, JobState.DONE)
        assert done.server == ONE


async def test_a_server_that_is_removed_finishes_what_it_works_on_and_gives_back_the_rest() -> None:
    async with scene() as here:
        one = await here.add(ONE)
        one.script = [RUN, [RunLost()]]  # a prompt that is taken out of the queue is heard of no more
        one.end.clear()
        running = await here.order(1)
        await until(lambda: len(one.submitted) == 1)
        one.gate.clear()
        waiting = await here.order(2)
        await until(lambda: len(one.submitted) == 2)
        await here.database.fleet.remove(ONE)
        await here.pool.reconcile(here)
        await until(lambda: one.interrupted == [one.submitted[1][0]])
        assert here.pool.workers
        one.gate.set()
        one.end.set()
        assert (await here.reaches(running, JobState.DONE)).server == ONE
        await until(lambda: not here.pool.workers)
        await here.reaches(waiting, JobState.QUEUED)
        two = await here.add(TWO)
        assert (await here.reaches(waiting, JobState.DONE)).server == TWO
        assert len(two.submitted) == 1


async def test_the_jobs_of_a_server_that_stays_away_go_to_another_one() -> None:
    async with scene() as here:
        one = await here.add(ONE)
        one.end.clear()
        job = await here.order(1)
        await until(lambda: len(one.submitted) == 1)
        two = await here.add(TWO)
        one.up.clear()
        done = await here.reaches(job, JobState.DONE, seconds=OFFLINE_GRACE + 10)
        assert done.server == TWO
        assert len(two.submitted) == 1
        one.up.set()
        await here.clock.advance(2.0)
        await until(lambda: one.interrupted == [one.submitted[0][0]], "what was left behind is stopped")


async def test_without_another_one_they_wait_for_it() -> None:
    async with scene() as here:
        one = await here.add(ONE)
        one.end.clear()
        job = await here.order(1)
        await until(lambda: len(one.submitted) == 1)
        one.up.clear()
        for _ in range(int(OFFLINE_GRACE) * 2):
            await here.clock.advance(1.0)
            await asyncio.sleep(0.001)
        assert (await here.reaches(job, JobState.RUNNING)).server == ONE
        one.up.set()
        one.end.set()
        await here.reaches(job, JobState.DONE)
        assert len(one.submitted) == 1


async def test_a_job_goes_elsewhere_only_where_it_can_run() -> None:
    async with scene() as here:
        one, _two = await here.add(ONE), await here.add(TWO)
        needs = Needs(nodes=frozenset({"KSampler"}))
        job = new_job(spec(needs=needs), 1, created=1.0)
        await here.store.add(job)
        assert not await here.pool.can_run_elsewhere(job, ONE)
        able = Abilities(Definitions({"KSampler": NodeDefinition("KSampler")}))
        await here.database.fleet.describe(TWO, able)
        await here.database.fleet.record_compatibility(
            TWO, {needs.cls: Compatibility(is_compatible=True)}, able.fingerprint
        )
        assert await here.pool.can_run_elsewhere(job, ONE)
        assert not await here.pool.can_run_elsewhere(job, TWO)
        assert one.submitted == []


async def test_a_faulty_server_rests_only_while_another_one_works() -> None:
    async with scene() as here:
        await here.add(ONE)
        breaker = here.pool.workers[0].executor.breaker
        for _ in range(TRIP_AFTER):
            breaker.failed()
        assert not here.pool.is_resting(ONE)
        await here.add(TWO)
        assert here.pool.is_resting(ONE)
        job = await here.order(1)
        assert (await here.reaches(job, JobState.DONE)).server == TWO


async def test_a_server_whose_queue_others_fill_gets_one_of_ours_at_a_time() -> None:
    async with scene() as here:
        one = await here.add(ONE)
        one.foreign_prompts = 3
        one.end.clear()
        jobs = [await here.order(number) for number in range(1, 4)]
        await until(lambda: len(one.submitted) == 1)
        for _ in range(5):
            await here.clock.advance(1.0)
            await asyncio.sleep(0.005)
        assert len(one.submitted) == 1
        one.foreign_prompts = 0
        await here.clock.advance(2.0)
        await until(lambda: len(one.submitted) == 2)
        one.end.set()
        for job in jobs:
            await here.reaches(job, JobState.DONE, seconds=10)


async def test_a_hint_is_enough_to_be_taken_on() -> None:
    async with scene() as here:
        here.tasks.append(asyncio.create_task(here.pool.run(here)))
        await asyncio.sleep(0.01)
        await here.database.fleet.add(ONE, ONE, "", 1)
        here.bus.send(Topic.FLEET)
        await until(lambda: ONE in here.backends)
