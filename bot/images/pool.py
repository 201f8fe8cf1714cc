"""Threads for work on pictures, so that the event loop never does it.

Threads suffice: Pillow works without the interpreter's lock almost everywhere (tests/benchmarks/bench_images.py shows
how long the loop waits). Knows nothing of pictures.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from bot.errors import LimitError
from bot.i18n import _

P = ParamSpec("P")
T = TypeVar("T")


class ImagePool:
    """A few threads, a bounded line in front of them, and a time limit."""

    def __init__(self, *, workers: int = 2, pending: int = 16, time_limit: float = 60.0) -> None:
        """Take `pending` callers into the line; `time_limit` is in seconds, waiting included."""
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="images")
        self._free = asyncio.Semaphore(workers)
        self._pending = pending
        self._time_limit = time_limit
        self._waiting = 0

    @property
    def busy(self) -> bool:
        """Whether work would have to wait: a reason to leave out what is not needed."""
        return self._free.locked()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns; raises what it raises, or `LimitError` when the line is full or too slow."""
        if self._free.locked() and self._waiting >= self._pending:
            raise LimitError(_("Too many pictures are being worked on right now. Please try again in a minute."))
        return await self.run_promised(work, *args, **kwargs)

    async def run_promised(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `run`, but never turned away: for results, of which there are no more than jobs that run."""
        try:
            async with asyncio.timeout(self._time_limit):
                await self._take_turn()
                future = self._start(lambda: work(*args, **kwargs))
                await asyncio.wait((future,))  # unlike awaiting it, this leaves it alone when the caller is cancelled
                return future.result()
        except TimeoutError as error:
            raise LimitError(
                _("Working on this picture took too long. Please try again in a while, or with a smaller picture.")
            ) from error

    async def close(self) -> None:
        """Let the threads finish what they are at, and end them. No work is taken afterwards."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    async def _take_turn(self) -> None:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Hand work to a thread. The turn ends when the thread is done: one that nobody waits for still occupies it."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        except RuntimeError as error:
            self._free.release()
            raise LimitError(_("The bot is being restarted. Please try again in a minute.")) from error
        future.add_done_callback(self._finished)
        return future

    def _finished(self, future: asyncio.Future[T]) -> None:
        self._free.release()
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it when the caller has gone
