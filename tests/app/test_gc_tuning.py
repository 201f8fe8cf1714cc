"""Old garbage is collected in quiet moments, and at the latest after a while."""

import asyncio
import gc
import weakref

from bot.app.gc_tuning import (
    AT_LATEST,
    IDLE_POLL_INTERVAL,
    collect_when_idle,
    freeze_startup_objects,
)
from tests.clocks import ManualClock


class Loop:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def old_garbage() -> "weakref.ref[Loop]":
    loop = Loop()
    gc.collect()  # it lives on, and is old from now on
    return weakref.ref(loop)


async def test_old_garbage_waits_for_a_quiet_moment_but_not_for_ever() -> None:
    clock, quiet = ManualClock(), False
    with freeze_startup_objects():
        sweeping = asyncio.create_task(collect_when_idle(lambda: quiet, clock))
        await asyncio.sleep(0)
        garbage = old_garbage()
        for _ in range(3):
            await clock.advance(IDLE_POLL_INTERVAL)
        assert garbage() is not None
        quiet = True
        await clock.advance(IDLE_POLL_INTERVAL)
        assert garbage() is None

        quiet, garbage = False, old_garbage()
        for _ in range(int(AT_LATEST / IDLE_POLL_INTERVAL)):
            await clock.advance(IDLE_POLL_INTERVAL)
        assert garbage() is None
        sweeping.cancel()
    assert gc.get_threshold()[2] < 1000
