"""Time as an injected dependency, so that throttles, leases and time limits can be tested without sleeping."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Return seconds since the epoch, comparable across processes."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards, for durations within this process."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
