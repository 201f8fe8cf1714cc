"""Collects the oldest garbage when that disturbs least: a full collection stops the event loop for up to a tenth of a
second, and by itself it comes while there is most to do.

Young garbage, which is almost all, goes as ever. For the whole process, so only who runs one may use this.
"""

import asyncio
import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager

from bot.clock import Clock

YOUNG_ONLY = (700, 10, 1_000_000)
"""Python's own numbers for the young generations; the oldest is left to us."""
LOOK_EVERY = 60.0
AT_LATEST = 900.0
"""Seconds between two collections while it is never quiet."""


@contextmanager
def spared_collections() -> Generator[None]:
    """Let nothing old be collected by itself inside, and pass by what was imported and built before: it stays."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG_ONLY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def sweep(is_quiet: Callable[[], bool], clock: Clock) -> None:
    """Collect in quiet moments, for ever; the owner cancels this."""
    swept = clock.monotonic()
    while True:
        await clock.sleep(LOOK_EVERY)
        if is_quiet() or clock.monotonic() - swept >= AT_LATEST:
            gc.collect()
            swept = clock.monotonic()
            await asyncio.sleep(0)
