"""Counts the prompts of other clients in a server's queue.

The server broadcasts its queue length, but that changes at slightly different times than our own prompts, and a wrong
guess would hold our jobs back. So a difference only triggers a query of the queue by prompt ids.
"""

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.comfy.events import Status
from bot.comfy.subscriptions import PromptSubscriptions
from bot.comfy.timeouts import Timeouts


class ForeignPrompts:
    """The prompts of other clients on one server."""

    def __init__(self, *, client: ComfyClient, watches: PromptSubscriptions, clock: Clock, timing: Timeouts) -> None:
        self._client = client
        self._watches = watches
        self._clock = clock
        self._timing = timing
        self.size = 0
        """Running and pending prompts of other clients, as of the last query."""
        self._length = 0
        self._told = 0
        self._asked: tuple[int, int] = (0, 0)
        self._looked = float("-inf")

    def on_status(self, status: Status) -> None:
        """Process a broadcast queue length; returns at once."""
        self._length = status.queue_remaining
        self._told += 1
        # A prompt whose end was announced has already left the queue
        if self._length <= sum(watch.in_queue and not watch.settling for watch in self._watches):
            self.size = 0

    def forget(self) -> None:
        """Assume an empty queue until the next broadcast, because it is unknown while the server is offline."""
        self.size = self._length = 0

    async def refresh(self) -> None:
        """Query the queue if its length is unexplained. Raises what the client raises."""
        unexplained = max(0, self._length - sum(watch.in_queue for watch in self._watches))
        now, seen = self._clock.monotonic(), (self._told, unexplained)
        if not (unexplained or self.size) or seen == self._asked or now - self._looked < self._timing.settle:
            return
        self._looked = now
        ours = self._own_prompts()
        queue = await self._client.queue()
        if self._told == seen[0]:
            ours |= self._own_prompts()
            self.size = sum(prompt_id not in ours for prompt_id in (*queue.running, *queue.pending))
            self._asked = seen

    def _own_prompts(self) -> set[str]:
        return {watch.prompt_id for watch in self._watches}
