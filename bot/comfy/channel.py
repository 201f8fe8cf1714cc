"""The event channel of one prompt, from the WebSocket reader to its subscriber.

The reader must never wait for a slow subscriber: unread progress and previews are replaced by newer ones, other events
are bounded, and the end is never lost.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

from bot.comfy.parking import Park
from bot.workflow.execution import Preview, Progress, RunEnded, RunEvent, RunLost

MAX_UNREAD = 1024
"""Unread events kept; beyond it the oldest are dropped. Graphs have a few hundred nodes at most."""


class Channel(AsyncIterator[RunEvent]):
    """An async iterator over the events of one prompt. It ends after `RunEnded` or `RunLost`."""

    def __init__(self, *, park: Park) -> None:
        self._park = park
        self._unread: deque[RunEvent] = deque(maxlen=MAX_UNREAD)
        self._something = asyncio.Event()
        self.closed = False
        """Whether the last event was added; later ones are dropped."""

    def put(self, event: RunEvent) -> None:
        """Add an event without waiting."""
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
