"""What the store does when its database is away, slow or locked, and when those who ask give up."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.jobs.job import JobState
from bot.jobs.repository import DatabaseUnavailableError, DuplicateJobError
from bot.storage.engine import base, sqlite
from bot.storage.jobs.repository import SqlJobRepository
from tests.jobs.doubles import place
from tests.storage.breakable_connection import Wire, wire_to
from tests.storage.engines import Database, empty, execute
from tests.storage.samples import (
    GPU,
    ME,
    TTL,
    claimed,
    failed,
    in_line,
    job,
    running,
)


@pytest.fixture
async def wire(postgres_url: str) -> AsyncGenerator[Wire]:
    async with wire_to(postgres_url) as wire:
        yield wire


@pytest.fixture
async def far(wire: Wire) -> AsyncGenerator[SqlJobRepository]:
    """A store at the other end of a wire."""
    database = Database(wire.url)
    store = await database.open()
    await empty(store)
    yield store
    assert wire.cut_commits == 0, "what was to be lost was not"
    wire.refuses = False
    wire.speaks.set()
    await database.close()


# ------------------------------------------------------------------ a connection that is lost


async def test_lost_connections_are_replaced_unnoticed(wire: Wire, far: SqlJobRepository) -> None:
    await far.add(job(1))
    for number in (2, 3, 4):
        await wire.cut()
        await far.add(job(number))
        await wire.cut()
        assert len(await in_line(far)) == number


async def test_connections_that_the_server_ends_are_replaced_unnoticed(far: SqlJobRepository) -> None:
    await far.add(job(1))
    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )
    await asyncio.gather(*(far.count_waiting(7) for _turn in range(4)))
    await execute(far, end_others)
    assert await asyncio.gather(*(far.count_waiting(7) for _turn in range(4))) == [1] * 4


async def test_a_job_whose_acceptance_was_lost_is_no_duplicate(wire: Wire, far: SqlJobRepository) -> None:
    wire.cut_commits = 1
    await far.add(job(1))
    assert await in_line(far) == ["job1"]
    assert await far.recount() == []
    with pytest.raises(DuplicateJobError):
        await far.add(job(2, place=place(1)))


async def test_a_claim_whose_answer_was_lost_takes_one_job(wire: Wire, far: SqlJobRepository) -> None:
    for number in (1, 2):
        await far.add(job(number))
    await far.acquire_leases([GPU], ME, TTL)
    wire.cut_commits = 1
    claim = await far.claim(GPU, ME, "prompt1", 100.0)
    assert claim is not None
    assert (claim.id, claim.attempts) == ("job1", 1)
    assert await in_line(far) == ["job2"]
    assert await far.recount() == []


@pytest.mark.parametrize("state", [JobState.DELIVERING, JobState.FAILED, JobState.QUEUED])
async def test_a_move_whose_answer_was_lost_is_made_once(wire: Wire, far: SqlJobRepository, state: JobState) -> None:
    entry = await running(far)
    wire.cut_commits = 1
    moved = await far.transition(entry, state)
    assert await far.get("job1") == moved
    assert moved.state is state
    assert await far.recount() == []
    assert len(await execute(far, "SELECT * FROM usage")) == 1


async def test_an_admission_whose_answer_was_lost_is_made_once(wire: Wire, far: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD)
    await far.add(held)
    wire.cut_commits = 1
    admitted = await far.queue(held)
    assert await far.get("job1") == admitted
    assert await far.recount() == []


async def test_other_changes_may_be_made_twice(wire: Wire, far: SqlJobRepository) -> None:
    entry = await running(far)
    wire.cut_commits = 1
    noted = await far.update(entry, losses=1)
    assert (noted.losses, noted.epoch) == (1, entry.epoch)
    wire.cut_commits = 1
    assert await far.acquire_leases([GPU], ME, TTL) == {GPU}
    wire.cut_commits = 1
    (adopted,) = await far.take_over_server(GPU, ME)
    assert await far.get("job1") == adopted
    await far.transition(adopted, JobState.FAILED, finished=1.0)
    wire.cut_commits = 1
    await far.prune(2.0, limit=9)
    assert await far.get("job1") is None


# ------------------------------------------------------------------ a server that is away


async def test_a_server_that_is_away_is_said_to_be(
    wire: Wire, far: SqlJobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "RETRY_DELAYS", (0.01, 0.02))
    await far.add(job(1))
    wire.refuses = True
    await wire.cut()
    for attempt in (far.count_waiting(7), far.add(job(2)), far.acquire_leases([GPU], ME, TTL)):
        with pytest.raises(DatabaseUnavailableError):
            await attempt
    wire.refuses = False
    assert await in_line(far) == ["job1"]


async def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_said(
    wire: Wire, far: SqlJobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "TIMEOUT", 0.3)
    await far.add(job(1))
    wire.speaks.clear()
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        await in_line(far)
    assert time.monotonic() - began < 2.0
    wire.speaks.set()
    assert await in_line(far) == ["job1"]


async def test_a_deadlock_is_resolved_by_another_try(postgres_url: str) -> None:
    database = Database(postgres_url)
    store = await database.open()
    await empty(store)
    for number in (1, 2):
        await store.add(job(number))
    met = asyncio.Barrier(2)
    count = sa.text("UPDATE job SET tries = tries + 1 WHERE id = :id")

    async def cross(first: int, second: int) -> None:
        async def attempt(again: bool) -> None:
            async with store.engine._engine.begin() as conn:  # type: ignore[attr-defined]
                await conn.execute(count, {"id": f"job{first}"})
                if not again:
                    await met.wait()
                await conn.execute(count, {"id": f"job{second}"})

        await store.engine._retrying.run(attempt)  # type: ignore[attr-defined]

    await asyncio.gather(cross(1, 2), cross(2, 1))
    assert [entry.tries for entry in await store.browse([], limit=2)] == [2, 2]
    await database.close()


# ------------------------------------------------------------------ a file that is locked or broken


async def test_a_file_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    store = await database.open()
    blocker = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(store.add(job(1)))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert await in_line(store) == [], "reading waits for nobody"
    blocker.execute("COMMIT")
    blocker.close()
    await waiting
    assert await in_line(store) == ["job1"]
    await database.close()


async def test_a_file_that_stays_locked_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.02)
    monkeypatch.setattr(base, "RETRY_DELAYS", (0.01, 0.02))
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    store = await database.open()
    blocker = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailableError):
        await store.add(job(1))
    blocker.execute("ROLLBACK")
    blocker.close()
    await store.add(job(1))
    assert await in_line(store) == ["job1"]
    await database.close()


async def test_a_full_disk_is_said_to_be_and_lasts_no_longer_than_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "RETRY_DELAYS", (0.01,))
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    store = await database.open()
    await execute(store, "PRAGMA max_page_count = 1")  # SQLite takes the present size as the limit
    ends = [await asyncio.gather(store.add(job(number)), return_exceptions=True) for number in range(1, 60)]
    assert isinstance(ends[-1][0], DatabaseUnavailableError)
    await execute(store, "PRAGMA max_page_count = 1000000")
    assert await store.recount() == []
    await store.add(job(1000))
    await database.close()


# ------------------------------------------------------------------ those who give up


async def test_whoever_gives_up_leaves_no_transaction_open(database: Database, store: SqlJobRepository) -> None:
    for number in range(40):
        asking = asyncio.create_task(store.add(job(number + 1)))
        await asyncio.sleep(0.0003 * (number % 10))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await store.acquire_leases([GPU], ME, TTL)
    assert await store.recount() == []
    if database.is_postgres:
        idle = "SELECT count(*) AS open FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await execute(store, idle) == [{"open": 0}]
    count = len(await in_line(store))
    other = await database.open()
    assert len(await in_line(other)) == count
    await other.add(job(100))


async def test_closing_finishes_what_has_begun(database: Database, store: SqlJobRepository) -> None:
    asking = [asyncio.create_task(store.add(job(number))) for number in range(1, 6)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await store.close()
    again = await database.open()
    assert len(await in_line(again)) == 5
    assert await again.recount() == []


async def test_a_fault_of_ours_is_not_taken_for_the_databases(store: SqlJobRepository) -> None:
    await store.add(job(1))
    began = time.monotonic()
    with pytest.raises(Exception, match="no_such_table"):
        await execute(store, "SELECT * FROM no_such_table")
    assert time.monotonic() - began < 1.0
    assert (await claimed(store)).id == "job1"


async def test_nothing_is_half_done_when_a_transaction_fails(store: SqlJobRepository) -> None:
    entry = await failed(store)
    await execute(store, "DELETE FROM account")
    await execute(store, "ALTER TABLE usage RENAME TO away")
    try:
        back = await store.transition(entry, JobState.QUEUED)
        await store.recount()
        claim = await store.update(await claimed(store), posted=True)
        with pytest.raises(Exception, match="usage"):
            await store.transition(claim, JobState.FAILED)
        assert await store.get(back.id) == claim
    finally:
        await execute(store, "ALTER TABLE away RENAME TO usage")
