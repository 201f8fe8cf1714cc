"""How many jobs a second the store carries from the first word to the last, and how fast it finds the next of many.

Run by hand: `uv run python -m tests.benchmarks.bench_store`. A cycle is taking in, claiming and finishing; a whole life
has what a run needs besides: posted, delivering, done, five transactions in all. `side by side` has several jobs under
way at once, as a bot has. The first line is what the disk allows: how often a second it can make a write durable.
"""

# ruff: noqa: S608, T201  # statements of its own, and what it is for

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from bot.jobs.job import Delivery, Job, JobState
from bot.storage.database import open_store
from bot.storage.jobs.repository import SqlJobRepository
from tests.jobs.doubles import spec
from tests.storage.engines import empty, execute, postgres_server
from tests.storage.samples import GPU, ME, job

JOBS = 300
SIDE_BY_SIDE = 8
LINE = 100_000
MEMBERS, GUILDS = 1000, 20
HEAD = 500
CLAIMS = 200
NOW = 1.8e9
OTHER = "http://gpu2:8188"

_numbers = count(1)


async def begun(store: SqlJobRepository) -> Job:
    """Take one job in and claim it."""
    number = next(_numbers)
    await store.add(job(number, user_id=number % 50))
    taken = await store.claim(GPU, ME, f"prompt{number}", 1e9)
    assert taken is not None
    return taken


async def cycle(store: SqlJobRepository) -> None:
    await store.transition(await begun(store), JobState.FAILED, delivery=Delivery.SENT, finished=1e9)


async def whole_life(store: SqlJobRepository) -> None:
    taken = await store.update(await begun(store), posted=True)
    taken = await store.transition(taken, JobState.DELIVERING, delivery=Delivery.PENDING, finished=1e9)
    await store.transition(taken, JobState.DONE, delivery=Delivery.SENT)


async def per_second(
    store: SqlJobRepository, what: Callable[[SqlJobRepository], Awaitable[None]], side_by_side: int
) -> str:
    async def lane() -> None:
        for _turn in range(JOBS // side_by_side):
            await what(store)

    begin, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane() for _lane in range(side_by_side)))
    wall, busy = time.perf_counter() - begin, time.process_time() - busy
    return f"{JOBS / wall:.0f} jobs/s ({1000 * busy / JOBS:.1f} ms of processor each)"


async def milliseconds(
    work: Callable[[], Awaitable[object]], turns: int = CLAIMS, after: Callable[[], Awaitable[object]] | None = None
) -> str:
    taken: list[float] = []
    for _turn in range(turns):
        begin = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begin) * 1000)
        if after is not None:
            await after()
    return f"{statistics.median(taken):.2f} ms, 95 % below {statistics.quantiles(taken, n=20)[-1]:.2f} ms"


SERIES = "WITH RECURSIVE n(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM n WHERE n < {last}) "
CHUNK = 5000


async def fill(
    store: SqlJobRepository, *, line: int = LINE, members: int = MEMBERS, guilds: int = GUILDS, alike: bool = False
) -> None:
    """Let a line stand there: everybody waits for the same number of jobs, of ten classes, and has used something.

    With `alike` all jobs of a member are of one class.
    """
    await empty(store)
    is_postgres = store.engine.__class__.__name__ == "PostgresEngine"
    if not is_postgres:
        await execute(store, "PRAGMA cache_size = -200000")
    await store.acquire_leases([GPU, OTHER], ME, 1e9)
    await store.add(job(0, spec=spec(values={"prompt": "a rather long wish " * 60}), state=JobState.HELD))
    same = "requester, application_id, interaction_token, channel_id, message_id, upload_limit, spec"
    cls = f"'c' || ({'n / 100' if alike else 'n * 7919 / 1000'} % 10)"
    await execute(store, "DELETE FROM guild")
    for first in range(1, line, CHUNK):
        await execute(
            store,
            "INSERT INTO job (id, interaction_id, account_id, guild_id, user_id, state, workflow, cls, model, created, "
            f"cost_est, {same}) {SERIES.format(first=first, last=first + CHUNK - 1)} SELECT 'id' || n, n, "
            f"(n % {guilds}) || '\\:' || (n % {members}), n % {guilds}, n % {members}, 'queued', 'w' || (n % 7), "
            f"{cls}, 'm' || (n % 3), {NOW - 60}, 10 + n % 20, {same} FROM n, job WHERE id = 'job0'",
        )
    await execute(
        store,
        "INSERT INTO account (account_id, guild_key, guild_id, user_id, waiting, ready, used, used_at, waits_since) "
        f"SELECT account_id, CAST(min(guild_id) AS TEXT), min(guild_id), min(user_id), count(*), 1, "
        f"1 + (min(user_id) * 7919) % 1000, {NOW}, {NOW - 30} FROM job WHERE state = 'queued' GROUP BY account_id",
    )
    await execute(
        store,
        "INSERT INTO guild (guild_key, used, used_at) "
        f"SELECT guild_key, 1000 + min(guild_id), {NOW} FROM account GROUP BY guild_key",
    )
    for table in ("account", "guild"):
        await execute(store, f"UPDATE {table} SET score = ln(used) / ln(2.0) + used_at / 3600.0 WHERE used > 0")
    await execute(
        store,
        f"INSERT INTO fit (server_id, cls, fits) {SERIES.format(first=1, last=10)} SELECT server_id, 'c' || (n - 1), "
        "server_id = :all OR n < 3 FROM n, server", all=GPU,
    )  # fmt: skip
    # A PostgreSQL that has run for a while has looked at its tables by itself; SQLite gets back what it has by default
    await execute(store, "ANALYZE" if is_postgres else "PRAGMA cache_size = -2000")


async def measure_line(name: str, store: SqlJobRepository) -> None:
    """Print how long it takes to find the next of very many."""

    async def claims(server: str = GPU, loaded: str = "") -> str:
        return await milliseconds(lambda: _claim(store, server, loaded), after=lambda: _end(store))

    await fill(store)
    print(f"{name}, {LINE} jobs of {MEMBERS} members in {GUILDS} guilds: claim {await claims()}")
    print(f"{name}, with a loaded model: {await claims(loaded='m1')}")
    print(f"{name}, with a loaded model that nobody needs: {await claims(loaded='m9')}")
    print(f"{name}, a server that fits 2 of 10 classes: {await claims(OTHER)}")
    await execute(
        store,
        "INSERT INTO pause (scope) SELECT :scope || account_id FROM account WHERE ready = 1 ORDER BY score LIMIT 200",
        scope="member:",
    )
    await execute(store, "INSERT INTO pause (scope) VALUES (:scope)", scope="workflow:*:w3")
    print(f"{name}, with 200 paused members and a workflow: {await claims()}")
    print(f"{name}, snapshot of {HEAD}: {await milliseconds(lambda: store.snapshot(HEAD), 50)}")
    waiting = await milliseconds(lambda: store.count_waiting(7))
    print(f"{name}, count_waiting {waiting}; the end of a run {await ends(store)}")
    await execute(store, "UPDATE job SET state = 'done' WHERE state = 'delivering'")
    await execute(store, "DELETE FROM fit")
    print(f"{name}, a server that can run nothing of it: {await milliseconds(lambda: _none(store), 20)}")
    await fill(store, guilds=1)
    print(f"{name}, all in one guild: claim {await claims()}; snapshot "
          f"{await milliseconds(lambda: store.snapshot(HEAD), 50)}")  # fmt: skip


async def _claim(store: SqlJobRepository, server: str, loaded: str) -> Job:
    taken = await store.claim(server, ME, f"prompt{next(_numbers)}", NOW, loaded=loaded)
    assert taken is not None
    return taken


async def _end(store: SqlJobRepository) -> None:
    """End what runs: a server has one job or two, not hundreds."""
    in_hand = "(state IN ('running', 'delivering') OR delivery = 'pending')"
    await execute(store, f"UPDATE job SET state = 'done' WHERE state = 'running' AND {in_hand}")


async def _none(store: SqlJobRepository) -> None:
    assert await store.claim(GPU, ME, f"prompt{next(_numbers)}", NOW) is None


async def ends(store: SqlJobRepository) -> str:
    """Return how long the change takes that ends a run."""
    taken = [await _claim(store, GPU, "") for _turn in range(CLAIMS)]
    running = iter([await store.update(entry, posted=True) for entry in taken])
    return await milliseconds(lambda: store.transition(next(running), JobState.DELIVERING, finished=NOW + 9))


async def measure(name: str, url: str, synchronous: str) -> None:
    store = await open_store(url, synchronous="full" if synchronous == "full" else "normal")
    if url.startswith("postgresql"):
        await empty(store)
    await store.acquire_leases([GPU], ME, 1e6)
    await per_second(store, whole_life, SIDE_BY_SIDE)  # statements are compiled once
    for title, what in (("cycle", cycle), ("whole life", whole_life)):
        alone = await per_second(store, what, 1)
        together = await per_second(store, what, SIDE_BY_SIDE)
        print(f"{name}, {title}: one by one {alone}; {SIDE_BY_SIDE} side by side {together}")
    untold = await milliseconds(lambda: store.claim_due_delivery(ME, 0.0, 1.0))
    print(f"{name}: take_untold {untold}")
    if synchronous == "full":
        await measure_line(name, store)
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
        print(f"the disk makes {disk(folder)} writes/s durable")
        for synchronous in ("full", "normal"):
            await measure(f"SQLite, {synchronous}", f"sqlite:///{folder}/{synchronous}.db", synchronous)
        with postgres_server(durable=True) as url:
            await measure("PostgreSQL", url, "full")


if __name__ == "__main__":
    asyncio.run(main())
