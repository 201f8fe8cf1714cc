"""The pool's promises: off the loop, bounded, limited in time, and no turn is ever lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from bot.errors import InputError, LimitError
from bot.i18n import _
from bot.images.pool import ImagePool


@pytest.fixture
async def pool() -> AsyncIterator[ImagePool]:
    pool = ImagePool(workers=1, pending=1)
    yield pool
    await pool.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What keeps a worker occupied until the test lets it go; opened at the end in any case."""
    gate = threading.Event()
    yield gate
    gate.set()


async def settle() -> None:
    for _turn in range(5):
        await asyncio.sleep(0)


async def test_work_runs_in_a_thread_of_its_own(pool: ImagePool) -> None:
    name = await pool.run(lambda: threading.current_thread().name)
    assert name.startswith("images")


async def test_errors_reach_the_caller(pool: ImagePool) -> None:
    def work() -> None:
        raise InputError(_("Not this one."))

    with pytest.raises(InputError, match="Not this one"):
        await pool.run(work)
    assert not pool.busy


async def test_a_full_line_turns_away_but_keeps_promises(pool: ImagePool, gate: threading.Event) -> None:
    first = asyncio.create_task(pool.run(gate.wait))
    await settle()
    assert pool.busy
    second = asyncio.create_task(pool.run(str, 2))
    await settle()
    with pytest.raises(LimitError, match="too many images"):
        await pool.run(str, 3)
    promised = asyncio.create_task(pool.run_unbounded(str, 4))
    await settle()
    gate.set()
    assert await asyncio.gather(first, second, promised) == [True, "2", "4"]
    assert not pool.busy


async def test_no_more_work_runs_at_once_than_there_are_workers(gate: threading.Event) -> None:
    pool = ImagePool(workers=2, pending=10)
    started: list[int] = []

    def work(number: int) -> None:
        started.append(number)
        gate.wait()

    tasks = [asyncio.create_task(pool.run(work, number)) for number in range(6)]
    await asyncio.sleep(0.05)
    assert len(started) == 2
    gate.set()
    await asyncio.gather(*tasks)
    assert sorted(started) == list(range(6))
    await pool.close()


async def test_what_takes_too_long_is_given_up_but_still_holds_its_worker(gate: threading.Event) -> None:
    pool = ImagePool(workers=1, time_limit=0.05)
    with pytest.raises(LimitError, match="too long"):
        await pool.run(gate.wait)
    assert pool.busy
    with pytest.raises(LimitError, match="too long"):
        await pool.run(str, "waits in vain")
    gate.set()
    while pool.busy:  # noqa: ASYNC110 # the worker is free a moment after its thread, and says so to nobody
        await asyncio.sleep(0.001)
    assert await pool.run(str, "works again") == "works again"
    await pool.close()


async def test_callers_that_leave_take_nothing_with_them(pool: ImagePool, gate: threading.Event) -> None:
    running = asyncio.create_task(pool.run(gate.wait))
    waiting = asyncio.create_task(pool.run(str, 1))
    await settle()
    for task in (running, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert pool.busy
    gate.set()
    assert await pool.run_unbounded(str, 2) == "2"


async def test_nothing_is_taken_after_close(pool: ImagePool) -> None:
    await pool.close()
    with pytest.raises(LimitError, match="restarted"):
        await pool.run(str, 1)
    assert not pool.busy
