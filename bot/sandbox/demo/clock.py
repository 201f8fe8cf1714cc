"""A clock that runs by itself, as everybody's does, and that a test may put forward."""

import asyncio
import time

real_monotonic = time.monotonic
"""Kept from before simcord replaces `time.monotonic` for the code of the bot."""


class AdjustableClock:
    """A `bot.clock.Clock` in step with the simulated Discord: what it says is when interactions expire there."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """See `bot.clock.Clock.now`."""
        return time.time() + self._offset

    def monotonic(self) -> float:
        """See `bot.clock.Clock.monotonic`."""
        return real_monotonic() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` that really pass; putting the clock forward does not shorten them."""
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Put the clock forward."""
        self._offset += seconds
