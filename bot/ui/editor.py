"""Edits one message as seldom as possible and as soon as allowed.

The newest state wins: what was not sent in time is forgotten. Two limits hold: a pause between two edits of one
message, and a budget of edits for the whole process, given out in turn so that no job starves another. The final edit
waits for neither; it only lets an edit that is on the wire arrive first, so that it cannot be overwritten.
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
"""Up to this age of the message in seconds → the pause. After 14 minutes all messages of a channel share one limit of
about 5 edits in 5 s, after an hour Discord limits edits specially (code 30046)."""
FROZEN = 10.0
"""Seconds by which a sleep may end late. A process that stood still for longer may have lost its jobs to another one
meanwhile, which has told their end."""
IN_FLIGHT_GRACE = 2.0
"""Seconds that the final edit gives an edit which is on the wire."""


class MessageClosedError(Exception):
    """The message cannot be edited any more: further tries would only be counted against us."""


class EditBudget:
    """The edits that the whole process may make, first come, first served."""

    def __init__(self, *, clock: Clock, per_second: float = 25.0, share: Callable[[], float] = lambda: 1.0) -> None:
        """Allow so many edits, of which this process has a `share` (above 0, up to 1): the bot's token is one for all
        processes, and Discord counts by it.
        """
        self._clock = clock
        self._per_second = per_second
        self._share = share
        self._next = 0.0

    async def turn(self) -> float:
        """Return when it is the caller's turn to send one edit, and by how many seconds that is late."""
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
        """Edit a message that is `age` seconds old, the first time after a pause unless `at_once`."""
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
        """Show `state` when the limits allow, unless a newer one comes first."""
        if self._closed:
            return
        self._newest = state
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run(), name="progress edits")

    @property
    def is_sending(self) -> bool:
        """Whether an edit is on its way."""
        return self._sending.locked()

    async def settled(self) -> None:
        """Return when no edit is on its way any more, after `stop`."""
        if self._pump is not None and self.is_sending:
            await asyncio.wait({self._pump})

    async def finish(self) -> None:
        """Stop, so that the final edit can follow at once; no edit of ours is sent after this returns."""
        self._closed = True
        pump = self._pump
        if pump is None or pump.done():
            return
        if self._sending.locked():
            await asyncio.wait({pump}, timeout=IN_FLIGHT_GRACE)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        self._pump = None  # a cancelled task knows where it stood, and so its editor: a ring that outlives both

    def stop(self) -> None:
        """Stop without waiting: an edit that is on the wire may still arrive."""
        self._closed = True
        if self._pump is not None and not self._sending.locked():
            self._pump.cancel()

    async def _run(self) -> None:
        while not self._closed and self._newest != self._shown:
            late = max(await self._pause(), await self._budget.turn())
            if late > FROZEN:
                log.warning("this process stood still for %d s; what it had to say is not said any more", late)
                self._newest = self._shown
                return
            state = self._newest
            if state is None or state == self._shown:
                return
            async with self._sending:
                await self._try(state)

    async def _pause(self) -> float:
        """Wait until the message may be edited again; return by how many seconds that is late."""
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
            log.warning("a progress edit failed; the next one will show more", exc_info=True)
        self._last_edit = self._clock.monotonic()
