"""Stores for tests: in memory, or in a file that a second store can open after the first one is gone."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.jobs.store.opening import open_store
from bot.jobs.store.sqlstore import SqlStore


@asynccontextmanager
async def memory_store(clock: Callable[[], float] = time.time) -> AsyncGenerator[SqlStore]:
    """An empty store that is gone afterwards. `clock` judges leases: pass `ManualClock.now` to let them run out."""
    store = await open_store("sqlite:///:memory:", clock=clock)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def file_store(path: Path, clock: Callable[[], float] = time.time) -> AsyncGenerator[SqlStore]:
    """The store in a file, made if there is none. Opened again, it is what a restarted bot finds."""
    store = await open_store(f"sqlite:///{path}", synchronous="normal", clock=clock)
    try:
        yield store
    finally:
        await store.close()
