"""One SQLite connection in a thread of its own, which runs one transaction after the other.

Calls that arrive while the disk is busy share the next transaction, because the sync takes far longer than their work.
Each runs behind a savepoint, so that a failure rolls back nothing of the others; all get their answer after the shared
COMMIT. If that fails, each call gets a transaction of its own. Knows nothing about jobs.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import Connection

T = TypeVar("T")
Work = Callable[[Connection], T]

MAX_GROUP: Final = 32
"""Calls per transaction, at most: later ones wait for all of them."""


@dataclass(slots=True)
class _Request:
    """A queued call and, later, its result."""

    work: Work[Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    durable: bool
    result: Any = None
    error: BaseException | None = None

    def execute(self, conn: Connection) -> None:
        self.result, self.error = None, None
        try:
            self.result = self.work(conn)
        except Exception as error:  # handed to the caller
            self.error = error

    def answer(self) -> None:
        if self.future.done():  # the caller was cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class _GroupFailedError(Exception):
    """A shared transaction was rolled back."""


class GroupCommitThread:
    """A thread with a connection. `begin` is the statement that begins a transaction; None if it only reads.

    With `survives_power_cuts`, a durable call returns once it and everything before it is on disk. All other calls
    return once the operating system has the data, which survives a crash of this process but not a power cut.
    """

    def __init__(self, name: str, engine: sa.Engine, begin: str | None, *, survives_power_cuts: bool = False) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._engine = engine
        self._begin = begin
        self._conn: Connection | None = None
        self._queue: deque[_Request] = deque()
        self._guard = threading.Lock()
        self._busy = False
        self._survives_power_cuts = survives_power_cuts
        self._waits_for_disk = False

    async def run(self, work: Work[T], *, durable: bool = False) -> T:
        """Run a function and return its result; it continues if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        request = _Request(work, loop.create_future(), loop, durable)
        with self._guard:
            if not self._busy:
                self._thread.submit(self._drain)  # starts once the guard is released
            self._busy = True
            self._queue.append(request)
        return await request.future

    async def close(self) -> None:
        """Finish queued calls, then close the connection."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._conn is not None:
            self._conn.close()
        self._engine.dispose()

    # ------------------------------------------------------------------ in the thread

    def _drain(self) -> None:
        while group := self._next_group():
            self._serve(group)
            _answer(group)

    def _next_group(self) -> list[_Request]:
        with self._guard:
            group = [self._queue.popleft() for _place in range(min(MAX_GROUP, len(self._queue)))]
            self._busy = bool(group)
        return group

    def _serve(self, group: list[_Request]) -> None:
        """Run a group and store its results."""
        try:
            self._execute_group(group)
        except _GroupFailedError:
            for request in group:
                self._serve([request])
        except BaseException as error:  # handed to the callers
            for request in group:
                request.error = error

    def _execute_group(self, group: list[_Request]) -> None:
        conn = self._connection()
        driver = cast("sqlite3.Connection", conn.connection.driver_connection)
        if self._begin is None:
            for request in group:
                request.execute(conn)
            return
        self._wait_for_disk(driver, any(request.durable for request in group))
        driver.execute(self._begin)
        try:
            self._execute_each(conn, driver, group)
            driver.execute("COMMIT")
        except BaseException as error:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            if len(group) > 1:
                raise _GroupFailedError from error
            raise

    def _wait_for_disk(self, driver: sqlite3.Connection, is_needed: bool) -> None:
        """Let the next COMMIT wait for the disk, or not."""
        is_needed = is_needed and self._survives_power_cuts
        if is_needed is not self._waits_for_disk:
            driver.execute(f"PRAGMA synchronous={'FULL' if is_needed else 'NORMAL'}")
            self._waits_for_disk = is_needed

    def _execute_each(self, conn: Connection, driver: sqlite3.Connection, group: list[_Request]) -> None:
        """Run the calls of a transaction. Raises whatever rolled it back."""
        if len(group) == 1:
            group[0].result, group[0].error = group[0].work(conn), None
            return
        for request in group:
            driver.execute("SAVEPOINT one")
            request.execute(conn)
            if not driver.in_transaction:  # SQLite rolls back when the disk is full or broken
                raise _GroupFailedError
            if request.error is not None:
                driver.execute("ROLLBACK TO one")
            driver.execute("RELEASE one")

    def _connection(self) -> Connection:
        """Return the connection. SQLAlchemy sees one endless transaction, so that it never ends ours."""
        if self._conn is None:
            conn = self._engine.connect()
            conn.begin()
            self._conn = conn
        return self._conn


def _answer(group: list[_Request]) -> None:
    """Resolve all futures with one call per event loop; usually there is only one."""
    for loop in {request.loop for request in group}:
        requests = [request for request in group if request.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set_result, requests)


def _set_result(group: list[_Request]) -> None:
    for request in group:
        request.answer()
