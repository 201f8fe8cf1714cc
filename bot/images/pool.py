"""A thread pool that keeps image processing off the event loop.

Threads suffice because Pillow releases the GIL almost everywhere (tests/benchmarks/bench_images.py measures how long
the loop is blocked).
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
    """A few threads with a bounded queue and a time limit."""

    def __init__(self, *, workers: int = 2, pending: int = 16, time_limit: float = 60.0) -> None:
        """`pending`: queue length; `time_limit`: seconds, including the wait."""
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="images")
        self._free = asyncio.Semaphore(workers)
        self._pending = pending
        self._time_limit = time_limit
        self._waiting = 0

    @property
    def busy(self) -> bool:
        """Whether new work would have to wait, so that optional work should be skipped."""
        return self._free.locked()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a thread; raises what it raises, or `LimitError` when the queue is full or time is up."""
        if self._free.locked() and self._waiting >= self._pending:
            raise LimitError(_("I'm busy with too many images right now. Please try again in a minute."))
        return await self.run_unbounded(work, *args, **kwargs)

    async def run_unbounded(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `run`, but never refused: for results, which are bounded by the number of running jobs."""
        try:
            async with asyncio.timeout(self._time_limit):
                await self._acquire_slot()
                future = self._start(lambda: work(*args, **kwargs))
                await asyncio.wait((future,))  # unlike awaiting the future, this does not cancel it with the caller
                return future.result()
        except TimeoutError as error:
            raise LimitError(
                _("Processing this image took too long. Please try again later or with a smaller image.")
            ) from error

    async def close(self) -> None:
        """Let the threads finish their current work, then end them. Later calls are refused."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    async def _acquire_slot(self) -> None:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def _start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Start work in a thread. The slot is freed when the thread is done, even if the caller is gone."""
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
            future.exception()  # retrieved, so that asyncio does not report it when the caller is gone
