"""Time as a collaborator, so that throttles, leases and time limits are tested without sleeping."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What code that waits or measures may ask for."""

    def now(self) -> float:
        """Return seconds since the epoch, to be stored and compared across processes."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, to measure durations within this process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)
