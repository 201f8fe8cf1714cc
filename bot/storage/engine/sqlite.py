"""SQLite in a file or in memory, for a bot on one machine.

One thread writes and one reads, each with its own connection: SQLite allows only one writer anyway, and so nothing in
this process ever waits for a lock. An in-memory database has one connection and thread for both.
"""

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from bot.errors import StartupError
from bot.i18n import _
from bot.storage.engine.base import RetryingTasks
from bot.storage.engine.sqlite_writer import GroupCommitThread

T = TypeVar("T")

MIN_VERSION: Final = (3, 35, 0)
"""The first SQLite with RETURNING."""
BUSY_TIMEOUT: Final = 8.0
"""Seconds to wait for another process; below the time limit of a call, so that its outcome is known."""
MAX_JOURNAL_BYTES: Final = 64 * 1024 * 1024
"""Bytes to which the write-ahead log is truncated after a checkpoint."""

_TRANSIENT: Final = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip
"""Errors that a retry, or freeing disk space, can fix."""

Synchronous = Literal["full", "normal"]

_FUNCTIONS: Final[dict[str, Callable[..., float]]] = {"power": math.pow, "ln": math.log}


class SqliteEngine:
    """An `Engine` with a writer and a reader thread."""

    def __init__(self, path: Path | None, synchronous: Synchronous = "full") -> None:
        """Open a file; None means in memory."""
        check_version(sqlite3.sqlite_version_info)
        self._writer = GroupCommitThread(
            "store-writer",
            _engine(path, {"synchronous": "NORMAL"}),
            "BEGIN IMMEDIATE",
            survives_power_cuts=synchronous == "full",
        )
        self._reader = self._writer
        if path is not None:
            self._reader = GroupCommitThread("store-reader", _engine(path, {"query_only": "ON"}), None)
        self._retrying = RetryingTasks(_is_transient)

    async def write(self, work: Callable[[Connection, bool], T], *, single: bool = False, durable: bool = False) -> T:
        return await self._retrying.run(lambda again: self._writer.run(lambda conn: work(conn, again), durable=durable))

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._retrying.run(lambda _again: self._reader.run(work))

    async def close(self) -> None:
        await self._retrying.finish()
        await self._reader.close()
        await self._writer.close()


def check_version(version: tuple[int, int, int]) -> None:
    if version < MIN_VERSION:
        have, need = (".".join(map(str, each)) for each in (version, MIN_VERSION))
        raise StartupError(
            _("SQLite {have} is too old; the bot needs {need} or newer. It comes with Python: install a newer Python.",
              have=have, need=need)
        )  # fmt: skip


def _engine(path: Path | None, pragmas: dict[str, str]) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        target = ":memory:" if path is None else path
        # `GroupCommitThread` begins transactions: sqlite3 itself would begin them too late, after the first read.
        return sqlite3.connect(target, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        if path is not None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA journal_size_limit={MAX_JOURNAL_BYTES}")
        for name, function in _FUNCTIONS.items():  # optional in SQLite builds
            connection.create_function(name, -1, function, deterministic=True)
        for name, value in {"foreign_keys": "ON", "temp_store": "MEMORY", **pragmas}.items():
            connection.execute(f"PRAGMA {name}={value}")

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    event.listen(engine, "connect", prepare)
    return engine


def _is_transient(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.OperationalError) and (cause.sqlite_errorcode & 0xFF) in _TRANSIENT
