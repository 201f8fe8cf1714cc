"""A position that arrives after the end of a job must not be the last word in its message."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.jobs.cluster.bus import LocalBus, Topic
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.scheduling.stale_positions import DELIVERY_POLL_INTERVAL, StalePositionRepair
from tests.clocks import ManualClock
from tests.databases import memory_store
from tests.jobs.doubles import Board, spec
from tests.jobs.queue_setup import new_job

THEIRS = "http://gpu1"


class Scene:
    """A process that tells positions, and another one that has the server."""

    def __init__(self, store: Any, *, is_ours: bool = False) -> None:
        self.store = store
        self.board = Board()
        self.clock = ManualClock()
        self.due: list[str] = []
        bus = LocalBus()
        bus.subscribe(Topic.DUE, self.due.append)
        self.stale_positions = StalePositionRepair(
            store=store, presenter=self.board, bus=bus, is_ours=lambda _key: is_ours, clock=self.clock
        )

    async def claimed(self) -> Job:
        await self.store.add(new_job(spec(), 1, created=0.0))
        await self.store.acquire_leases([THEIRS], "them", 1e9)
        job = await self.store.claim(THEIRS, "them", "prompt", self.clock.now())
        assert job is not None
        return job

    async def ended(self, job: Job) -> Job:
        """Let the other process bring the job to its end, and be about to tell it."""
        return await self.store.transition(
            job, JobState.DELIVERING, delivery=Delivery.PENDING, finished=self.clock.now(), not_before=self.clock.now()
        )

    async def told(self, job: Job) -> Job:
        """Let the other process bring the job to its end, and tell it."""
        delivering = await self.ended(job)
        return await self.store.transition(delivering, JobState.DONE, delivery=Delivery.SENT)

    async def delivery(self, job: Job, wanted: Callable[[Delivery], bool]) -> Delivery:
        newest = await self.store.get(job.id)
        for _ in range(300):
            if wanted(newest.delivery):
                break
            await asyncio.sleep(0.002)
            newest = await self.store.get(job.id)
        return newest.delivery


@asynccontextmanager
async def scene(**options: Any) -> AsyncGenerator[Scene]:
    async with memory_store() as store:
        here = Scene(store, **options)
        try:
            yield here
        finally:
            await here.stale_positions.close()


async def test_an_end_that_was_told_while_an_old_position_was_on_its_way_is_told_again() -> None:
    async with scene() as here:
        job = await here.claimed()
        here.board.in_the_air.add(job.id)
        here.stale_positions.check([job.id])
        await asyncio.sleep(0.02)
        await here.told(job)
        assert (await here.store.get(job.id)).delivery is Delivery.SENT
        here.board.landed.set()
        assert await here.delivery(job, lambda delivery: delivery is Delivery.PENDING) is Delivery.PENDING
        assert here.due == [""]


async def test_an_end_that_was_told_before_an_old_position_arrived_is_told_again() -> None:
    async with scene() as here:
        job = await here.claimed()
        delivering = await here.ended(job)
        here.board.edited = here.clock.now() + 0.3
        here.stale_positions.check([job.id])
        await asyncio.sleep(0.02)
        await here.store.transition(delivering, JobState.DONE, delivery=Delivery.SENT)
        await here.clock.advance(DELIVERY_POLL_INTERVAL)
        assert await here.delivery(job, lambda delivery: delivery is Delivery.PENDING) is Delivery.PENDING
        assert here.due == [""]


async def test_a_position_that_arrived_before_the_end_is_no_reason_to_tell_it_again() -> None:
    async with scene() as here:
        job = await here.claimed()
        here.board.edited = here.clock.now()
        await here.clock.advance(2.0)
        job = await here.told(job)
        here.stale_positions.check([job.id])
        await asyncio.gather(*here.stale_positions._tasks)
        assert (await here.store.get(job.id)).delivery is Delivery.SENT
        assert here.due == []


@pytest.mark.parametrize("why", ["nothing was on its way", "the server is ours", "it goes on"])
async def test_otherwise_nothing_is_told_twice(why: str) -> None:
    async with scene(is_ours=why == "the server is ours") as here:
        job = await here.claimed()
        if why != "nothing was on its way":
            here.board.in_the_air.add(job.id)
        if why != "it goes on":
            job = await here.told(job)
        here.board.landed.set()
        here.stale_positions.check([job.id])
        await asyncio.gather(*here.stale_positions._tasks)
        assert (await here.store.get(job.id)).delivery is job.delivery
        assert here.due == []


async def test_closing_leaves_nothing_running() -> None:
    async with scene() as here:
        job = await here.claimed()
        here.board.in_the_air.add(job.id)
        here.stale_positions.check([job.id])
        await asyncio.sleep(0.02)
        await here.stale_positions.close()
        assert not here.stale_positions._tasks
