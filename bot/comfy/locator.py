"""Finds prompts on a server, by positive evidence only.

`/history` answers the same for waiting, running and unknown prompts, and a prompt moves between two looks. So the order
is queue, then history, and "nowhere" needs a second round.
"""

from collections.abc import Collection

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.workflow.execution import Whereabouts


class Locator:
    """Says where a server has prompts. Raises what the client raises: without answers there is no verdict."""

    def __init__(self, *, client: ComfyClient, clock: Clock, second_look: float) -> None:
        self._client = client
        self._clock = clock
        self._second_look = second_look

    async def locate(self, prompt_ids: Collection[str]) -> dict[str, Whereabouts]:
        """Return where each prompt is. One `/queue` for all; `/history` only for those that are not in it."""
        places = await self._look(prompt_ids)
        missing = [prompt_id for prompt_id, place in places.items() if place is Whereabouts.UNKNOWN]
        if missing:
            await self._clock.sleep(self._second_look)
            places |= await self._look(missing)
        return places

    async def _look(self, prompt_ids: Collection[str]) -> dict[str, Whereabouts]:
        queue = await self._client.queue()
        places = dict.fromkeys(queue.pending, Whereabouts.PENDING) | dict.fromkeys(queue.running, Whereabouts.RUNNING)
        return {prompt_id: places.get(prompt_id) or await self._finished(prompt_id) for prompt_id in prompt_ids}

    async def _finished(self, prompt_id: str) -> Whereabouts:
        entry = await self._client.history(prompt_id)
        return Whereabouts.UNKNOWN if entry is None else Whereabouts.FINISHED
