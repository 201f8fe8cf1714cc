"""What happened to one prompt, on its way from the socket's reader to whoever follows the prompt.

The reader must never wait for a follower, and a follower may be slow: so the newest progress and preview replace unread
ones, other events are bounded, and the end is never lost.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from bot.comfy.parking import Park
from bot.workflow.execution import Preview, Progress, RunEnded, RunEvent, RunLost

MAX_UNREAD = 1024
"""Events kept for a follower that does not read; beyond it the oldest go. A graph has some hundred nodes at most."""


class Channel(AsyncIterator[RunEvent]):
    """An async iterator over the events of one prompt. It ends after `RunEnded` or `RunLost`."""

    def __init__(self, *, park: Park) -> None:
        self._park = park
        self._unread: deque[RunEvent] = deque(maxlen=MAX_UNREAD)
        self._something = asyncio.Event()
        self.closed = False
        """Whether the last event has been put in; later ones are dropped."""

    def put(self, event: RunEvent) -> None:
        """Add an event; returns at once."""
        if self.closed:
            return
        if isinstance(event, Progress | Preview):
            self._forget(type(event))
        self._unread.append(event)
        self.closed = isinstance(event, RunEnded | RunLost)
        self._something.set()

    def _forget(self, kind: type[RunEvent]) -> None:
        for event in self._unread:
            if isinstance(event, kind):
                self._unread.remove(event)
                return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        while not self._unread:
            if self.closed:
                raise StopAsyncIteration
            self._something.clear()
            await self._park(self._something.wait())
        return self._unread.popleft()
