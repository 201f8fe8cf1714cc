"""What a database does for the store: carry out a transaction function, whatever happens to whoever asked for it.

Faults that pass (a lock, a lost connection, a restart) are met with a few more tries, then with `StoreDownError`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from bot.jobs.records import StoreDownError

log = logging.getLogger(__name__)

T = TypeVar("T")

LIMIT: Final = 10.0
"""Seconds that a call may take, with all its tries."""
PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds before another try. A PostgreSQL that is restarted is back in about three."""


class Engine(Protocol):
    """A database, opened."""

    async def write(self, work: Callable[[Connection, bool], T], *, single: bool = False, durable: bool = False) -> T:
        """Carry out a transaction. `work` gets True when an earlier try may have been committed without our knowing.

        `single`: on PostgreSQL it makes its changes in one statement, which needs no transaction around it.
        `durable`: somebody is promised something by it, so not even a power cut may take it back. A change without it
        that is lost only costs the work of doing it again: whoever has made it finds its job under another epoch, and
        stops. PostgreSQL is asked for durability of everything that takes more than one statement, too.
        """
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Carry out one query."""
        ...

    async def close(self) -> None:
        """Finish what has begun, and let go."""
        ...


class Tries:
    """Carries out attempts in tasks of its own: a caller that is cancelled leaves no transaction half done."""

    def __init__(self, passes: Callable[[Exception], bool]) -> None:
        self._passes = passes
        self._tasks: set[asyncio.Task[Any]] = set()

    async def carry(self, attempt: Callable[[bool], Awaitable[T]]) -> T:
        """Return what an attempt returns. Raises `StoreDownError` when none succeeds in time."""
        task = asyncio.create_task(self._repeat(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        try:
            await asyncio.wait({task}, timeout=LIMIT)  # unlike `wait_for`, this does not wait for a task that it ends
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(LIMIT, task.cancel)  # goes on, but not for ever
            raise
        if not task.done():
            task.cancel()
            log.warning("the database took longer than %s s", LIMIT)
            raise StoreDownError
        return task.result()

    async def finish(self) -> None:
        """Wait for what has begun; every attempt has its time limit."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; an error that nobody hears is not worth a warning

    async def _repeat(self, attempt: Callable[[bool], Awaitable[T]]) -> T:
        for number, pause in enumerate((*PAUSES, None)):
            try:
                return await attempt(number > 0)
            except Exception as error:
                if not self._passes(error):
                    raise
                if pause is None:
                    log.warning("the database cannot be used: %s", type(error).__name__)
                    raise StoreDownError from error
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")
