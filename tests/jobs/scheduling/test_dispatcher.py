"""The line: who is woken, and what those who wait are told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from bot.aio import cancel_and_wait
from bot.jobs.cluster.bus import LocalBus, Topic
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.dispatcher import MIN_UPDATE_INTERVAL, Dispatcher
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.status import QueuedStatus
from bot.workflow.run.needs import Needs
from tests.clocks import ManualClock
from tests.databases import memory_store
from tests.jobs.doubles import Board, FewPlaces, Reasons, place, requester, spec
from tests.jobs.queue_setup import new_job, until


@dataclass
class Line:
    store: Any
    queue_view: QueueView
    queue: Dispatcher
    board: Board
    clock: ManualClock
    bus: LocalBus
    numbers: int = 0

    async def add(self, **changes: Any) -> str:
        self.numbers += 1
        job = new_job(spec(), self.numbers, created=self.clock.now(), **changes)
        await self.store.add(job)
        return job.id


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    clock, board = ManualClock(), Board()
    async with memory_store(clock.now) as store:
        await store.acquire_leases(["a", "b"], "me", 1e9)
        run_times, bus = RunTimeEstimates(), LocalBus()
        queue_view = QueueView(
            store=store,
            run_times=run_times,
            capacity=cast("CapacityEstimator", FewPlaces(list)),
            blockers=cast("StartBlockers", Reasons()),
            clock=clock,
        )
        queue = Dispatcher(store=store, presenter=board, queue_view=queue_view, bus=bus, clock=clock, owner="me")
        yield Line(store, queue_view, queue, board, clock, bus)


async def test_who_waits_for_work_is_woken_with_it(line: Line) -> None:
    waiters = [asyncio.create_task(line.queue.claim_next(server, lambda: True)) for server in "ab"]
    await asyncio.sleep(0.02)
    ids = {await line.add(), await line.add()}
    line.queue.wake()
    jobs = await asyncio.wait_for(asyncio.gather(*waiters), 5)
    assert {job.id for job in jobs if job} == ids
    assert {job.server for job in jobs if job} == {"a", "b"}


async def test_work_that_nobody_announced_is_found_soon(line: Line) -> None:
    waiter = asyncio.create_task(line.queue.claim_next("a", lambda: True))
    await asyncio.sleep(0.02)
    job_id = await line.add()
    await asyncio.sleep(0.02)
    assert not waiter.done()
    await line.clock.advance(LocalBus.poll_interval)
    job = await asyncio.wait_for(waiter, 5)
    assert job is not None
    assert job.id == job_id


async def test_a_server_that_is_not_ready_any_more_gets_nothing(line: Line) -> None:
    is_ready = [True]
    waiter = asyncio.create_task(line.queue.claim_next("a", lambda: is_ready[0]))
    await asyncio.sleep(0.02)
    is_ready[0] = False
    await line.add()
    line.queue.wake()
    assert await asyncio.wait_for(waiter, 5) is None


async def test_everybody_who_waits_is_told_their_place_as_the_line_moves(line: Line) -> None:
    ids = [await line.add() for _ in range(3)]
    await line.queue.update_positions()
    assert line.board.updates == [
        (job_id, QueuedStatus(position=position, total=3, offline=True)) for position, job_id in enumerate(ids, start=1)
    ]
    assert await line.queue_view.expected_position(place().guild_id, requester().user_id, "imagine") == QueuedStatus(
        position=4, total=4, offline=True
    )
    assert await line.queue.claim_next("a", lambda: True)
    line.board.updates.clear()
    await line.queue.update_positions()
    assert [(job_id, update.position) for job_id, update in line.board.updates if isinstance(update, QueuedStatus)] == [
        (ids[1], 1),
        (ids[2], 2),
    ]


async def test_of_a_long_line_the_head_is_told_and_all_are_counted(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.jobs.scheduling.queue_view.HEAD_LENGTH", 2)
    ids = [await line.add() for _ in range(5)]
    await line.queue.update_positions()
    assert line.board.updates == [
        (ids[0], QueuedStatus(position=1, total=5, offline=True)),
        (ids[1], QueuedStatus(position=2, total=5, offline=True)),
    ]


async def test_places_are_told_at_most_once_a_second(line: Line) -> None:
    job_id = await line.add()
    task = asyncio.create_task(line.queue.run_position_updates())
    try:
        for _ in range(5):
            line.queue.wake()
            await asyncio.sleep(0.01)
            await line.add()
        assert [told for told, _update in line.board.updates] == [job_id]
        await line.clock.advance(MIN_UPDATE_INTERVAL)
        await until(lambda: len(line.board.updates) == 1 + 6)
        line.queue.wake()
        await line.clock.advance(MIN_UPDATE_INTERVAL)
        await asyncio.sleep(0.02)
        assert len(line.board.updates) == 1 + 6, "nobody is told the same twice"
    finally:
        await cancel_and_wait(task)


async def test_a_class_of_jobs_is_announced_once(line: Line) -> None:
    announced: list[str] = []
    line.bus.subscribe(Topic.CLASS, announced.append)
    draw = Needs(nodes=frozenset({"KSampler"}))
    for number, needs in enumerate((draw, draw, Needs()), start=1):
        line.queue.entered(new_job(spec(needs=needs), number, created=0.0))
    assert announced == [draw.cls]
