"""The waiting prompts of a server, the one that runs, and the history of those that are over.

Knows no HTTP and no sockets; whoever changes the queue tells the clients.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

MAX_HISTORY = 10_000
Item = tuple[Any, ...]
"""(number, prompt_id, graph, extra_data, output node ids, what must not be shown). Compared as a tuple, like the
original: two items with the same number and id compare their graphs, which raises a TypeError after the second one
is already in the queue."""
SENSITIVE = ("auth_token_comfy_org", "api_key_comfy_org")
"""Keys of `extra_data` that no history shows; the old generation still shows them in the queue."""
SHOWN = 5
"""Leading elements of an item that clients see."""


class PromptQueue:
    """A heap of pending items; `changed` is called after every change that clients are told about."""

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._pending: list[Item] = []
        self._filled = asyncio.Event()
        self.running: Item | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.interrupted = False
        """Somebody asked to stop; looked at before each node and at each step, cleared when a prompt starts."""

    def put(self, item: Item) -> None:
        """Queue `item`. Raises TypeError, with the item queued all the same, when it equals a pending one."""
        try:
            heapq.heappush(self._pending, item)
        finally:
            self._filled.set()
        self._changed()

    async def take(self) -> Item:
        """Wait for the first item and make it the running one."""
        while not self._pending:
            self._filled.clear()
            await self._filled.wait()
        self.running = heapq.heappop(self._pending)
        self.interrupted = False
        self._changed()
        return self.running

    def finish(self, entry: dict[str, Any]) -> None:
        """Move the running item to the history."""
        if self.running is None:
            return
        number, prompt_id, graph, extra, outputs = self.running[:SHOWN]
        shown = {key: value for key, value in extra.items() if key not in SENSITIVE}
        self.history.pop(prompt_id, None)
        self.history[prompt_id] = {"prompt": (number, prompt_id, graph, shown, outputs), **entry}
        while len(self.history) > MAX_HISTORY:
            self.history.pop(next(iter(self.history)))
        self.running = None
        self._changed()

    @property
    def pending(self) -> list[Item]:
        """The heap as it lies: only its first item is in its place."""
        return self._pending

    @property
    def remaining(self) -> int:
        """Running and pending together, as clients are told."""
        return len(self._pending) + (self.running is not None)

    def delete(self, prompt_id: object) -> bool:
        """Take one pending prompt out; False when there is none of that id."""
        for item in self._pending:
            if item[1] == prompt_id:
                self._pending.remove(item)
                heapq.heapify(self._pending)
                self._changed()
                return True
        return False

    def clear(self) -> None:
        """Forget all pending prompts."""
        self._pending.clear()
        self._changed()

    def is_running(self, prompt_id: object) -> bool:
        """Whether this very prompt runs now."""
        return self.running is not None and self.running[1] == prompt_id

    def page(self, max_items: int | None, offset: int) -> dict[str, dict[str, Any]]:
        """Return a part of the history, oldest first; without an offset, its last `max_items`."""
        items = list(self.history.items())
        if offset < 0:
            offset = 0 if max_items is None else max(len(items) - max_items, 0)
        end = None if max_items is None else offset + max(max_items, 0)
        return dict(items[offset:end])
