"""Looks up where a server has a prompt, based on positive evidence only.

`/history` answers the same for pending, running and unknown prompts, and a prompt may move between two requests. So the
order is queue, then history, and "nowhere" takes a second check.
"""

from collections.abc import Collection

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.workflow.run.events import Whereabouts


class Locator:
    """Locates prompts on one server. Raises what the client raises: no conclusion without answers."""

    def __init__(self, *, client: ComfyClient, clock: Clock, second_look: float) -> None:
        self._client = client
        self._clock = clock
        self._second_look = second_look

    async def locate(self, prompt_ids: Collection[str]) -> dict[str, Whereabouts]:
        """Return where each prompt is, with one `/queue` for all and `/history` only for those not in it."""
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
