"""Those who share one transaction of SQLite: nobody's fault is another's, and nobody is told too early."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.jobs.job import JobState, StaleJobError
from bot.jobs.repository import DatabaseUnavailableError, DuplicateJobError
from bot.storage.database import open_store
from bot.storage.engine import base
from bot.storage.jobs.repository import SqlJobRepository
from tests.jobs.doubles import place
from tests.storage.engines import execute
from tests.storage.samples import (
    GPU,
    ME,
    TTL,
    in_line,
    job,
    with_picture,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqlJobRepository]:
    """A store in a file."""
    store = await open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield store
    await store.close()


@asynccontextmanager
async def busy(store: SqlJobRepository) -> AsyncGenerator[list[str]]:
    """Keep the writer busy, so that what is asked meanwhile comes together; yield what SQLite is then told."""
    said: list[str] = []
    entered, go_on = threading.Event(), threading.Event()

    def wait(conn: sa.Connection, _again: bool) -> None:
        entered.set()
        assert go_on.wait(10)
        driver: Any = conn.connection.driver_connection
        driver.set_trace_callback(said.append)

    keeping = asyncio.create_task(store.engine.write(wait))
    await asyncio.to_thread(entered.wait, 10)
    try:
        yield said
    finally:
        go_on.set()
        await keeping


async def together(store: SqlJobRepository, *asking: Any) -> list[Any]:
    """Ask all this in one transaction and return the answers."""
    async with busy(store) as said:
        tasks = [asyncio.ensure_future(each) for each in asking]
        await asyncio.sleep(0.05)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert said.count("BEGIN IMMEDIATE") == 1, "they did not come together"
    assert said[1:].count("COMMIT") == 1  # the first is that of whoever kept it busy
    return answers


async def fail(store: SqlJobRepository) -> None:
    """Change something, and then break off."""

    def work(conn: sa.Connection, _again: bool) -> None:
        conn.exec_driver_sql("DELETE FROM job")
        raise ZeroDivisionError

    await store.engine.write(work)


async def test_who_comes_while_the_disk_is_busy_shares_the_next_transaction(store: SqlJobRepository) -> None:
    assert await together(store, *(store.add(job(number)) for number in range(1, 9))) == [None] * 8
    assert await in_line(store) == [f"job{number}" for number in range(1, 9)]


async def test_one_who_fails_takes_back_nothing_of_the_others(store: SqlJobRepository) -> None:
    await store.add(job(1))
    answers = await together(
        store,
        store.add(job(2)),
        fail(store),
        store.add(job(3, place=place(1))),
        store.transition(replace(job(1), epoch=9), JobState.CANCELLED),
        store.add(job(4)),
    )
    assert [type(answer) for answer in answers] == [
        type(None), ZeroDivisionError, DuplicateJobError, StaleJobError, type(None),
    ]  # fmt: skip
    assert await in_line(store) == ["job1", "job2", "job4"]
    assert await store.recount() == []


async def test_each_sees_what_those_before_it_did(store: SqlJobRepository) -> None:
    await store.acquire_leases([GPU], ME, TTL)
    claims = [store.claim(GPU, ME, f"prompt{number}", 100.0) for number in (1, 2, 3)]
    answers = await together(store, store.add(job(1)), claims[0], claims[1], store.add(job(2)), claims[2])
    assert [each and each.id for each in answers] == [None, "job1", None, None, "job2"]
    assert await store.recount() == []


async def test_who_gives_up_changes_nothing_for_the_others(store: SqlJobRepository) -> None:
    async with busy(store):
        tasks = [asyncio.create_task(store.add(job(number))) for number in range(1, 7)]
        await asyncio.sleep(0.05)
        for task in tasks[::2]:
            task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, type(None)] * 3
    assert len(await in_line(store)) == 6, "what has begun is carried out"


async def test_one_for_whom_the_disk_is_too_small_does_not_keep_the_others_out(
    store: SqlJobRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "RETRY_DELAYS", (0.01,))
    (pages,) = await execute(store, "PRAGMA page_count")
    await execute(store, f"PRAGMA max_page_count = {pages['page_count'] + 20}")
    async with busy(store):
        asking = (store.add(job(1)), store.add(job(2, spec=with_picture(bytes(1_000_000)))), store.add(job(3)))
        tasks = [asyncio.create_task(each) for each in asking]
        await asyncio.sleep(0.05)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), DatabaseUnavailableError, type(None)]
    assert await in_line(store) == ["job1", "job3"]
    assert await store.recount() == []


async def test_nobody_is_told_before_it_is_durable(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, threading, time
from bot.storage.database import open_store
from tests.storage.samples import job
async def main():
    store = await open_store("sqlite:///{tmp_path / "jobs.db"}")
    await store.add(job(1))
    async def ask(number):
        await store.add(job(number))
        os.write(1, b"told")
    keeping = asyncio.create_task(store.engine.write(lambda conn, again: time.sleep(0.2)))
    await asyncio.sleep(0.05)
    asking = [asyncio.create_task(ask(number)) for number in (2, 3)]
    await asyncio.sleep(0.01)
    asking.append(asyncio.create_task(store.engine.write(lambda conn, again: (time.sleep(0.2), os._exit(9)))))
    await asyncio.gather(*asking)
asyncio.run(main())
"""
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False, stdout=subprocess.PIPE)
    assert (died.returncode, died.stdout) == (9, b"")
    again = await open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    assert await in_line(again) == ["job1"], "who was not told lost nothing but the asking"
    assert await again.recount() == []
    await again.close()


async def test_a_common_commit_that_fails_is_the_fault_of_one_only(store: SqlJobRepository) -> None:
    """A deferred constraint makes COMMIT itself fail, and leaves the transaction open."""

    def orphan(conn: sa.Connection, _again: bool) -> None:
        conn.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        conn.exec_driver_sql("INSERT INTO input_file (job_id, name, data) VALUES ('nobody', 'x', '')")

    async with busy(store):
        asking = (store.add(job(1)), store.engine.write(orphan), store.add(job(2)))
        tasks = [asyncio.ensure_future(each) for each in asking]
        await asyncio.sleep(0.05)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), sqlite3.IntegrityError, type(None)]
    assert await in_line(store) == ["job1", "job2"]
    assert await store.recount() == []


async def test_what_is_asked_after_the_end_is_refused_at_once(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    await store.close()
    async with asyncio.timeout(2):
        for _turn in range(2):
            with pytest.raises(RuntimeError, match="shutdown"):
                await store.add(job(1))


async def syncs(store: SqlJobRepository, *asking: Any) -> bool:
    """Return whether the common transaction of these waited for the disk."""
    levels: list[int] = []

    def look(conn: sa.Connection, _again: bool) -> None:
        levels.append(conn.exec_driver_sql("PRAGMA synchronous").scalar_one())

    await together(store, *asking, store.engine.write(look))
    return levels[-1] == 2


async def test_what_is_promised_waits_for_the_disk_and_nothing_else_does(store: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD, holder=ME)
    assert not await syncs(store, store.add(held))
    assert await syncs(store, store.queue(held))
    await store.acquire_leases([GPU], ME, TTL)
    assert not await syncs(store, store.claim(GPU, ME, "prompt1", 100.0))
    running = await store.get("job1")
    assert running is not None
    assert not await syncs(store, store.update(running, posted=True))
    assert await syncs(store, store.update(running, told=True)), "what happens once only is written down first"
    assert await syncs(store, store.update(running, not_before=1.0), store.add(job(2))), "one of them is a promise"


async def test_who_wants_no_waiting_gets_none(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'fast.db'}", synchronous="normal")
    try:
        assert not await syncs(store, store.add(job(1)))
    finally:
        await store.close()
