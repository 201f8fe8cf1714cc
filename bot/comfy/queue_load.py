"""Counts the prompts of other clients in a server's queue.

The server broadcasts its queue length, but that changes at slightly different times than our own prompts, and a wrong
guess would hold our jobs back. So a difference only triggers a query of the queue by prompt ids.
"""

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.comfy.frames import Status
from bot.comfy.subscriptions import PromptSubscriptions
from bot.comfy.timeouts import Timeouts


class ForeignPrompts:
    """The prompts of other clients on one server."""

    def __init__(
        self, *, client: ComfyClient, subscriptions: PromptSubscriptions, clock: Clock, timeouts: Timeouts
    ) -> None:
        self._client = client
        self._subscriptions = subscriptions
        self._clock = clock
        self._timeouts = timeouts
        self.size = 0
        """Running and pending prompts of other clients, as of the last query."""
        self._length = 0
        self._broadcasts = 0
        self._explained: tuple[int, int] = (0, 0)
        """The broadcast and the unexplained prompts that the last query was about."""
        self._last_query = float("-inf")

    def on_status(self, status: Status) -> None:
        """Process a broadcast queue length; returns at once."""
        self._length = status.queue_remaining
        self._broadcasts += 1
        # A prompt whose end was announced has already left the queue
        if self._length <= sum(each.in_queue and not each.end_announced for each in self._subscriptions):
            self.size = 0

    def forget(self) -> None:
        """Assume an empty queue until the next broadcast, because it is unknown while the server is offline."""
        self.size = self._length = 0

    async def refresh(self) -> None:
        """Query the queue if its length is unexplained. Raises what the client raises."""
        unexplained = max(0, self._length - sum(each.in_queue for each in self._subscriptions))
        now, state = self._clock.monotonic(), (self._broadcasts, unexplained)
        if not (unexplained or self.size) or state == self._explained or now - self._last_query < self._timeouts.settle:
            return
        self._last_query = now
        ours = self._own_prompts()
        queue = await self._client.queue()
        if self._broadcasts == state[0]:
            ours |= self._own_prompts()
            self.size = sum(prompt_id not in ours for prompt_id in (*queue.running, *queue.pending))
            self._explained = state

    def _own_prompts(self) -> set[str]:
        return {each.prompt_id for each in self._subscriptions}
