"""The pending prompts of a server, the running one, and the history. Knows nothing about HTTP or sockets."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

MAX_HISTORY = 10_000
Item = tuple[Any, ...]
"""(number, prompt_id, graph, extra_data, output node ids, hidden values). Compared as tuples, like ComfyUI's: for two
items with the same number and id, comparing the graphs raises `TypeError` when the second is already queued."""
SENSITIVE = ("auth_token_comfy_org", "api_key_comfy_org")
"""Keys of `extra_data` that the history omits; the old generation still shows them in the queue."""
SHOWN = 5
"""How many leading elements of an item clients see."""


class PromptQueue:
    """A heap of pending items; `changed` is called after each change of its length."""

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._pending: list[Item] = []
        self._filled = asyncio.Event()
        self.running: Item | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.interrupted = False
        """Interrupt request; checked before each node and at each step, cleared when a prompt starts."""

    def put(self, item: Item) -> None:
        """Queue `item`. Raises `TypeError`, with the item queued anyway, if it cannot be compared to a pending one."""
        try:
            heapq.heappush(self._pending, item)
        finally:
            self._filled.set()
        self._changed()

    async def take(self) -> Item:
        while not self._pending:
            self._filled.clear()
            await self._filled.wait()
        self.running = heapq.heappop(self._pending)
        self.interrupted = False
        self._changed()
        return self.running

    def finish(self, entry: dict[str, Any]) -> None:
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
        """The heap itself; only the first item is in sorted position."""
        return self._pending

    @property
    def remaining(self) -> int:
        """Running and pending prompts together, as in the `status` frame."""
        return len(self._pending) + (self.running is not None)

    def delete(self, prompt_id: object) -> bool:
        """Remove a pending prompt; False if there is none with that id."""
        for item in self._pending:
            if item[1] == prompt_id:
                self._pending.remove(item)
                heapq.heapify(self._pending)
                self._changed()
                return True
        return False

    def clear(self) -> None:
        self._pending.clear()
        self._changed()

    def is_running(self, prompt_id: object) -> bool:
        return self.running is not None and self.running[1] == prompt_id

    def page(self, max_items: int | None, offset: int) -> dict[str, dict[str, Any]]:
        """Return part of the history, oldest first; a negative offset means the last `max_items`."""
        items = list(self.history.items())
        if offset < 0:
            offset = 0 if max_items is None else max(len(items) - max_items, 0)
        end = None if max_items is None else offset + max(max_items, 0)
        return dict(items[offset:end])
