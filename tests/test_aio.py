"""Tests of the tools for background tasks: restarts, polling and pauses, by the clock."""

import asyncio
import logging

import pytest

from bot.aio import Supervisor, backoff, cancel_and_wait, poll_forever, wait_for_event
from tests.clocks import ManualClock, settle


class FlakyError(Exception):
    pass


class Work:
    """Counts its turns; `errors` are raised first, one a turn."""

    def __init__(self, *errors: Exception) -> None:
        self.turns = 0
        self._errors = list(errors)

    async def __call__(self) -> int:
        self.turns += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.turns


# ------------------------------------------------------------------ supervisor


async def test_a_crashed_task_is_restarted_after_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    clock, turns = ManualClock(), 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise FlakyError
        await asyncio.Event().wait()

    tasks = Supervisor(clock, pause=5.0)
    tasks.start(work, "the worker")
    await clock.advance(4.9)
    assert turns == 1
    assert "the worker crashed" in caplog.text
    await clock.advance(0.2)
    assert turns == 2
    await tasks.stop()


async def test_tasks_are_stopped_in_reverse_order_and_can_be_started_again() -> None:
    tasks, ended = Supervisor(ManualClock()), list[str]()

    def work(name: str) -> None:
        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        tasks.start(run, name)

    for name in ("first", "second", "third"):
        work(name)
    await settle()
    assert tasks.is_running
    await tasks.stop()
    assert ended == ["third", "second", "first"]
    assert not tasks.is_running
    work("again")
    await settle()
    await tasks.stop()
    assert ended[-1] == "again"


async def test_a_stop_that_runs_out_of_time_still_cancels_every_task() -> None:
    tasks, ended = Supervisor(ManualClock()), list[str]()

    async def quick() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("quick")

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)

    tasks.start(quick, "quick")
    tasks.start(slow, "slow")
    await settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await tasks.stop()
    await settle()
    assert ended == ["quick"]


# ------------------------------------------------------------------ polling


async def test_polling_repeats_at_the_interval() -> None:
    clock, work = ManualClock(), Work()
    polling = asyncio.create_task(poll_forever(work, 10.0, clock))
    await clock.advance(0.0)
    assert work.turns == 1
    await clock.advance(25.0)
    assert work.turns == 3
    await cancel_and_wait(polling)


async def test_the_first_turn_can_be_delayed() -> None:
    clock, work = ManualClock(), Work()
    polling = asyncio.create_task(poll_forever(work, 10.0, clock, delay=3.0))
    await clock.advance(2.9)
    assert work.turns == 0
    await clock.advance(0.1)
    assert work.turns == 1
    await cancel_and_wait(polling)


async def test_the_interval_can_change() -> None:
    clock, work, intervals = ManualClock(), Work(), iter((1.0, 100.0))
    polling = asyncio.create_task(poll_forever(work, lambda: next(intervals), clock))
    await clock.advance(50.0)
    assert work.turns == 2
    await cancel_and_wait(polling)


async def test_an_event_wakes_the_polling_also_while_it_works() -> None:
    clock, wake, turns = ManualClock(), asyncio.Event(), 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            wake.set()  # as if something had happened during the work

    polling = asyncio.create_task(poll_forever(work, 10.0, clock, wake=wake))
    await clock.advance(0.0)
    assert turns == 2
    wake.set()
    await clock.advance(0.0)
    assert turns == 3
    await clock.advance(10.0)
    assert turns == 4
    await cancel_and_wait(polling)


async def test_ignored_errors_end_one_turn_and_others_end_the_polling(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bot.aio")
    clock, work = ManualClock(), Work(FlakyError("no answer"), ValueError("a bug"))
    polling = asyncio.create_task(poll_forever(work, 1.0, clock, ignore=(FlakyError,)))
    await clock.advance(0.5)
    assert "no answer" in caplog.text
    await clock.advance(1.0)
    with pytest.raises(ValueError, match="a bug"):
        await polling


# ------------------------------------------------------------------ pauses


def test_backoff_repeats_the_last_pause() -> None:
    assert [backoff((1.0, 2.0, 5.0), failures) for failures in range(6)] == [1.0, 1.0, 2.0, 5.0, 5.0, 5.0]


# ------------------------------------------------------------------ waiting


async def test_waiting_ends_with_the_event_or_the_time() -> None:
    clock, event = ManualClock(), asyncio.Event()
    waiting = asyncio.create_task(wait_for_event(clock, 10.0, event))
    await clock.advance(9.9)
    assert not waiting.done()
    event.set()
    await waiting
    event.clear()
    waiting = asyncio.create_task(wait_for_event(clock, 10.0, event))
    await clock.advance(10.0)
    await waiting
