"""How many prompts of others are in a server's queue.

The server tells everybody how long its queue is, and we know which prompts are ours; but both change at slightly other
moments, and a wrong guess would hold our own prompts back. So a difference is only a reason to ask the queue, by ids.
"""

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.comfy.events import Status
from bot.comfy.timing import Timing
from bot.comfy.watch import Watches


class Crowd:
    """The others who use one server."""

    def __init__(self, *, client: ComfyClient, watches: Watches, clock: Clock, timing: Timing) -> None:
        self._client = client
        self._watches = watches
        self._clock = clock
        self._timing = timing
        self.size = 0
        """Prompts of others that run or wait, as the queue said when it was asked last."""
        self._length = 0
        self._told = 0
        self._asked: tuple[int, int] = (0, 0)
        self._looked = float("-inf")

    def hear(self, status: Status) -> None:
        """Take in the queue's length; returns at once."""
        self._length = status.queue_remaining
        self._told += 1
        # A prompt whose end was announced has left the queue already
        if self._length <= sum(watch.in_queue and not watch.settling for watch in self._watches):
            self.size = 0

    def forget(self) -> None:
        """Take the queue for empty until its length is told again: nobody knows while the server is away."""
        self.size = self._length = 0

    async def look(self) -> None:
        """Ask the queue where its length does not go with what is known. Raises what the client raises."""
        unexplained = max(0, self._length - sum(watch.in_queue for watch in self._watches))
        now, seen = self._clock.monotonic(), (self._told, unexplained)
        if not (unexplained or self.size) or seen == self._asked or now - self._looked < self._timing.settle:
            return
        self._looked = now
        ours = self._ours()
        queue = await self._client.queue()
        if self._told == seen[0]:
            ours |= self._ours()
            self.size = sum(prompt_id not in ours for prompt_id in (*queue.running, *queue.pending))
            self._asked = seen

    def _ours(self) -> set[str]:
        return {watch.prompt_id for watch in self._watches}
