"""Stores and databases for tests: in memory, or in a file that a second one can open after the first one is gone."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.storage.database import Database, open_database, open_store
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.policies import SqlPolicyRepository
from bot.storage.result_files import SqlResultStore
from bot.storage.servers.repository import SqlServerRegistry


@asynccontextmanager
async def memory_store(clock: Callable[[], float] = time.time) -> AsyncGenerator[SqlJobRepository]:
    """An empty store that is gone afterwards. `clock` judges leases: pass `ManualClock.now` to let them run out."""
    store = await open_store("sqlite:///:memory:", clock=clock)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def file_store(path: Path, clock: Callable[[], float] = time.time) -> AsyncGenerator[SqlJobRepository]:
    """The store in a file, made if there is none. Opened again, it is what a restarted bot finds."""
    store = await open_store(f"sqlite:///{path}", synchronous="normal", clock=clock)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def memory_database(clock: Callable[[], float] = time.time) -> AsyncGenerator[Database]:
    """An empty database, with all records that a bot keeps, that is gone afterwards."""
    database = await open_database("sqlite:///:memory:", clock=clock)
    try:
        yield database
    finally:
        await database.close()


def fleet_of(store: SqlJobRepository) -> SqlServerRegistry:
    """The servers in the database of a store, whatever its engine and its clock are."""
    return SqlServerRegistry(store.engine, store.clock)


def policies_of(store: SqlJobRepository) -> SqlPolicyRepository:
    """The rules and pauses in the database of a store."""
    return SqlPolicyRepository(store.engine)


def results_of(store: SqlJobRepository) -> SqlResultStore:
    """The results in the database of a store."""
    return SqlResultStore(store.engine)


async def line(store: SqlJobRepository) -> list[str]:
    """Return the ids of what waits, each member's in their order."""
    return [job.job_id for job in (await store.snapshot(1000)).waiting]
