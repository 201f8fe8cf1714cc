"""Tools for background tasks and waiting, all based on the injected clock."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bot.clock import Clock

log = logging.getLogger(__name__)

RESTART_PAUSE = 5.0
"""Seconds before a crashed task is restarted."""


class Supervisor:
    """Owns endless background tasks: restarts those that crash or return, and stops all in reverse order."""

    def __init__(self, clock: Clock, *, pause: float = RESTART_PAUSE) -> None:
        """`pause`: seconds before a restart."""
        self._clock = clock
        self._pause = pause
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_running(self) -> bool:
        """Whether tasks were started and not stopped since."""
        return bool(self._tasks)

    def start(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Run `work` in a task until `stop`."""
        self._tasks.append(asyncio.create_task(self._keep_running(work, name), name=name))

    async def stop(self) -> None:
        """Cancel the tasks, last to first, each after the next one has ended. New ones can be started afterwards."""
        tasks, self._tasks = self._tasks, []
        try:
            while tasks:
                await cancel_and_wait(tasks.pop())
        finally:  # cancelled meanwhile: there is no time to wait for the rest
            for task in tasks:
                task.cancel()

    async def _keep_running(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("%s crashed and will be restarted", name)
            await self._clock.sleep(self._pause)


async def poll_forever(
    work: Callable[[], Awaitable[object]],
    interval: float | Callable[[], float],
    clock: Clock,
    *,
    delay: float = 0.0,
    wake: asyncio.Event | None = None,
    ignore: tuple[type[Exception], ...] = (),
) -> None:
    """Await `work()`, wait `interval` seconds or until `wake` is set, and repeat, until cancelled.

    `delay`: seconds before the first time. Errors in `ignore` end only that turn, with a debug log line.
    """
    if delay:
        await clock.sleep(delay)
    while True:
        if wake:
            wake.clear()  # before the work: what happens during it is a reason to repeat it
        try:
            await work()
        except ignore as error:
            log.debug("%s skipped: %s: %s", getattr(work, "__qualname__", work), type(error).__name__, error)
        seconds = interval() if callable(interval) else interval
        await (wait_for_event(clock, seconds, wake) if wake else clock.sleep(seconds))


def backoff(pauses: Sequence[float], failures: int) -> float:
    """Return the pause after so many failures in a row, counted from 1; the last pause repeats."""
    return pauses[min(max(failures, 1), len(pauses)) - 1]


async def wait_for_event(clock: Clock, seconds: float, event: asyncio.Event) -> None:
    """Return after `seconds`, or as soon as `event` is set."""
    if event.is_set():
        return
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*waits)


async def cancel_and_wait(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and wait until they have ended, ignoring their results."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
