"""A clock that follows real time and that tests can advance."""

import asyncio
import time

real_monotonic = time.monotonic
"""Saved before simcord replaces `time.monotonic` for the bot's code."""


class AdjustableClock:
    """A `bot.clock.Clock` that the simulated Discord shares, e.g. for the expiry of interactions."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        return time.time() + self._offset

    def monotonic(self) -> float:
        return real_monotonic() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of real time; `advance` does not shorten it."""
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self._offset += seconds
