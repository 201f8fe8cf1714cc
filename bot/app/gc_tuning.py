"""Runs full garbage collections in quiet moments.

A full collection stops the event loop for up to a tenth of a second, and Python would start it under load. Young
generations are collected as usual. Changes settings of the whole process.
"""

import asyncio
import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager

from bot.clock import Clock

YOUNG_ONLY = (700, 10, 1_000_000)
"""Python's defaults for the young generations; the oldest one practically never."""
IDLE_POLL_INTERVAL = 60.0
AT_LATEST = 900.0
"""Seconds between two collections if it is never quiet."""


@contextmanager
def freeze_startup_objects() -> Generator[None]:
    """Disable automatic full collections inside, and exempt all existing objects from them."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG_ONLY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def collect_when_idle(is_quiet: Callable[[], bool], clock: Clock) -> None:
    """Collect in quiet moments until cancelled."""
    swept = clock.monotonic()
    while True:
        await clock.sleep(IDLE_POLL_INTERVAL)
        if is_quiet() or clock.monotonic() - swept >= AT_LATEST:
            gc.collect()
            swept = clock.monotonic()
            await asyncio.sleep(0)
