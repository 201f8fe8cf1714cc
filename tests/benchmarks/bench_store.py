"""How many jobs a second the store carries from the first word to the last, and how fast it finds the next of many.

Run by hand: `uv run python -m tests.benchmarks.bench_store`. A cycle is taking in, claiming and finishing; a whole life
has what a run needs besides: posted, delivering, done, five transactions in all. `side by side` has several jobs under
way at once, as a bot has. The first line is what the disk allows: how often a second it can make a write durable.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.lineup import HEAD
from bot.jobs.store.opening import open_store
from bot.jobs.store.sqlstore import SqlStore
from tests.store.databases import empty, postgres_server
from tests.store.samples import GPU, ME, job

JOBS = 300
SIDE_BY_SIDE = 8
LINE = 10_000
CLAIMS = 200

_numbers = count(1)


async def begun(store: SqlStore) -> Job:
    """Take one job in and claim it."""
    number = next(_numbers)
    await store.add(job(number, user_id=number % 50))
    taken = await store.claim(GPU, ME, f"prompt{number}", 1e9)
    assert taken is not None
    return taken


async def cycle(store: SqlStore) -> None:
    await store.move(await begun(store), JobState.FAILED, delivery=Delivery.SENT, finished=1e9)


async def whole_life(store: SqlStore) -> None:
    taken = await store.note(await begun(store), posted=True)
    taken = await store.move(taken, JobState.DELIVERING, delivery=Delivery.PENDING, finished=1e9)
    await store.move(taken, JobState.DONE, delivery=Delivery.SENT)


async def per_second(store: SqlStore, what: Callable[[SqlStore], Awaitable[None]], side_by_side: int) -> str:
    async def lane() -> None:
        for _turn in range(JOBS // side_by_side):
            await what(store)

    begin, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _lane in range(side_by_side)))
    wall, busy = time.perf_counter() - begin, time.process_time() - busy
    return f"{JOBS / wall:.0f} jobs/s ({1000 * busy / JOBS:.1f} ms of processor each)"


async def milliseconds(work: Callable[[], Awaitable[object]], turns: int = CLAIMS) -> str:
    taken: list[float] = []
    for _turn in range(turns):
        begin = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begin) * 1000)
    return f"{statistics.median(taken):.2f} ms, 95 % below {statistics.quantiles(taken, n=20)[-1]:.2f} ms"


async def fill(store: SqlStore) -> None:
    for start in range(0, LINE, 50):
        await asyncio.gather(*(store.add(job(next(_numbers), user_id=(start + turn) % 1000)) for turn in range(50)))


async def measure(name: str, url: str, synchronous: str) -> None:
    store = await open_store(url, synchronous="full" if synchronous == "full" else "normal")
    if url.startswith("postgresql"):
        await empty(store)
    await store.hold([GPU], ME, 1e6)
    await per_second(store, whole_life, SIDE_BY_SIDE)  # statements are compiled once
    for title, what in (("cycle", cycle), ("whole life", whole_life)):
        alone = await per_second(store, what, 1)
        together = await per_second(store, what, SIDE_BY_SIDE)
        print(f"{name}, {title}: one by one {alone}; {SIDE_BY_SIDE} side by side {together}")  # noqa: T201
    await fill(store)
    claim = await milliseconds(lambda: store.claim(GPU, ME, f"prompt{next(_numbers)}", 1e9))
    waiting = await milliseconds(lambda: store.count_waiting(7))
    head = await milliseconds(lambda: store.line(HEAD))
    length = await milliseconds(store.line_length)
    untold = await milliseconds(lambda: store.take_untold(ME, 0.0, 1.0))
    print(  # noqa: T201
        f"{name}, with {LINE} waiting: claim {claim}; count_waiting {waiting}; the line's head {head}; its length "
        f"{length}; take_untold {untold}"
    )
    await store.close()


def disk(folder: str) -> str:
    """Return how often a second the disk can make a small write durable."""
    begin = time.perf_counter()
    with (Path(folder) / "probe").open("wb", buffering=0) as probe:
        for _turn in range(100):
            probe.write(bytes(4096))
            os.fsync(probe.fileno())
    return f"{100 / (time.perf_counter() - begin):.0f}"


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(f"the disk makes {disk(folder)} writes/s durable")  # noqa: T201
        for synchronous in ("full", "normal"):
            await measure(f"SQLite, {synchronous}", f"sqlite:///{folder}/{synchronous}.db", synchronous)
        with postgres_server(durable=True) as url:
            await measure("PostgreSQL", url, "full")


if __name__ == "__main__":
    asyncio.run(main())
