"""Throttles the edits of one message.

The newest state wins; older unsent states are dropped. Two limits apply: a minimum interval between edits of one
message, and an edit budget for the whole process, served in order so that no job starves another. The final edit waits
for neither, only for an edit in flight, which could otherwise overwrite it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bot.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

MIN_INTERVAL = 1.5
"""Seconds between two edits of one message; Discord allows 5 in 2 s for each token."""
INTERVALS = ((780.0, MIN_INTERVAL), (3300.0, 20.0), (float("inf"), 60.0))
"""(Maximum age of the message, interval), in seconds. After 14 minutes all messages of a channel share a limit of about
5 edits in 5 s; after an hour Discord has a separate edit limit (code 30046)."""
FROZEN = 10.0
"""Seconds by which a sleep may end late. While a process is suspended for longer, another one may have taken over its
jobs and shown their end."""
IN_FLIGHT_GRACE = 2.0
"""Seconds that the final edit waits for an edit in flight."""


class MessageClosedError(Exception):
    """The message can no longer be edited; further tries would only count against rate limits."""


class EditBudget:
    """The edits allowed to the whole process, first come, first served."""

    def __init__(self, *, clock: Clock, per_second: float = 25.0, share: Callable[[], float] = lambda: 1.0) -> None:
        """`share` (above 0, up to 1) is this process's part of `per_second`: Discord counts the edits of all processes
        together, by the bot's token.
        """
        self._clock = clock
        self._per_second = per_second
        self._share = share
        self._next = 0.0

    async def turn(self) -> float:
        """Wait until the caller may send one edit; return by how many seconds the wait was too long."""
        now = self._clock.monotonic()
        at = max(now, self._next)
        self._next = at + 1.0 / (self._per_second * self._share())
        if at > now:
            await self._clock.sleep(at - now)
        return self._clock.monotonic() - at


class ProgressEditor(Generic[T]):
    """Shows the newest of many states in one message. States are compared by `==`; `send` renders and sends one."""

    def __init__(
        self,
        send: Callable[[T], Awaitable[None]],
        *,
        clock: Clock,
        budget: EditBudget,
        age: float = 0.0,
        at_once: bool = False,
    ) -> None:
        """Edit a message that is `age` seconds old; the first edit waits for the interval unless `at_once`."""
        self._send = send
        self._clock = clock
        self._budget = budget
        now = clock.monotonic()
        self._opened = now - max(0.0, age)
        self._last_edit = float("-inf") if at_once else now  # it was just created, or edited elsewhere
        self._newest: T | None = None
        self._shown: T | None = None
        self._pump: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._closed = False

    def show(self, state: T) -> None:
        """Show `state` when the limits allow, unless a newer one replaces it."""
        if self._closed:
            return
        self._newest = state
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run(), name="progress edits")

    @property
    def is_sending(self) -> bool:
        return self._sending.locked()

    async def wait_for_edit(self) -> None:
        """Wait for the edit in flight, if any, after `stop`."""
        if self._pump is not None and self.is_sending:
            await asyncio.wait({self._pump})

    async def finish(self) -> None:
        """Stop, so that the final edit can follow; no edit is sent after this returns."""
        self._closed = True
        pump = self._pump
        if pump is None or pump.done():
            return
        if self._sending.locked():
            await asyncio.wait({pump}, timeout=IN_FLIGHT_GRACE)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        self._pump = None  # breaks a reference cycle: a cancelled task keeps its frames, and so this editor

    def stop(self) -> None:
        """Stop without waiting; an edit in flight may still arrive."""
        self._closed = True
        if self._pump is not None and not self._sending.locked():
            self._pump.cancel()

    async def _run(self) -> None:
        while not self._closed and self._newest != self._shown:
            late = max(await self._pause(), await self._budget.turn())
            if late > FROZEN:
                log.warning("this process was suspended for %d s; dropping an outdated progress edit", late)
                self._newest = self._shown
                return
            state = self._newest
            if state is None or state == self._shown:
                return
            async with self._sending:
                await self._try(state)

    async def _pause(self) -> float:
        """Wait for the message's interval; return by how many seconds the wait was too long."""
        now = self._clock.monotonic()
        interval = next(pause for age, pause in INTERVALS if now - self._opened < age)
        wait = self._last_edit + interval - now
        if wait <= 0:
            return 0.0
        await self._clock.sleep(wait)
        return self._clock.monotonic() - now - wait

    async def _try(self, state: T) -> None:
        self._shown = state
        try:
            await self._send(state)
        except MessageClosedError:
            self._closed = True
        except Exception:
            log.warning("a progress edit failed; the next one will catch up", exc_info=True)
        self._last_edit = self._clock.monotonic()
