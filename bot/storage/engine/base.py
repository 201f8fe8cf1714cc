"""Runs transaction functions to the end, even if the caller is cancelled.

Transient faults (a lock, a lost connection, a restart) are retried a few times, then raise `DatabaseUnavailableError`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from bot.jobs.repository import DatabaseUnavailableError

log = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT: Final = 10.0
"""Seconds for one call, including all attempts."""
RETRY_DELAYS: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each retry. A restarted PostgreSQL is back in about three."""


class Engine(Protocol):
    async def write(self, work: Callable[[Connection, bool], T], *, single: bool = False, durable: bool = False) -> T:
        """Run a transaction. `work` gets True if an earlier attempt may have been committed although it failed here.

        `single`: all changes are one statement, which needs no transaction on PostgreSQL.
        `durable`: the change must survive a power cut, because it is acknowledged to a user. Losing any other change
        only costs redoing it: its maker finds the job under another epoch and stops. On PostgreSQL, everything but
        `single` changes is durable anyway.
        """
        ...

    async def read(self, work: Callable[[Connection], T]) -> T: ...

    async def close(self) -> None:
        """Finish what has begun, then close the connections."""
        ...


class RetryingTasks:
    """Runs each call in a task of its own, so that a cancelled caller leaves no transaction half done."""

    def __init__(self, is_transient: Callable[[Exception], bool]) -> None:
        self._is_transient = is_transient
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, attempt: Callable[[bool], Awaitable[T]]) -> T:
        """Return the result of the first successful attempt. Raises `DatabaseUnavailableError` if none is in time."""
        task = asyncio.create_task(self._repeat(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        try:
            await asyncio.wait({task}, timeout=TIMEOUT)  # unlike `wait_for`, doesn't await the task that it cancels
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(TIMEOUT, task.cancel)  # continues, but not forever
            raise
        if not task.done():
            task.cancel()
            log.warning("the database did not answer within %s s", TIMEOUT)
            raise DatabaseUnavailableError
        return task.result()

    async def finish(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller may be gone, and asyncio would warn

    async def _repeat(self, attempt: Callable[[bool], Awaitable[T]]) -> T:
        for number, delay in enumerate((*RETRY_DELAYS, None)):
            try:
                return await attempt(number > 0)
            except Exception as error:
                if not self._is_transient(error):
                    raise
                if delay is None:
                    cause = getattr(error, "orig", error)
                    log.warning("the database is unavailable: %s: %s", type(error).__name__, cause)
                    raise DatabaseUnavailableError from error
            await asyncio.sleep(delay)
        raise AssertionError("the last try returns or raises")
