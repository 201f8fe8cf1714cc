"""Looks up where a server has a prompt, based on positive evidence only.

`/history` answers the same for pending, running and unknown prompts, and a prompt may move between two requests. So the
order is queue, then history, and "nowhere" takes a second check.
"""

from collections.abc import Collection

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.workflow.run.events import PromptLocation


class PromptLookup:
    """Locates prompts on one server. Raises what the client raises: no conclusion without answers."""

    def __init__(self, *, client: ComfyClient, clock: Clock, second_check: float) -> None:
        self._client = client
        self._clock = clock
        self._second_check = second_check

    async def locate(self, prompt_ids: Collection[str]) -> dict[str, PromptLocation]:
        """Return where each prompt is, with one `/queue` for all and `/history` only for those not in it."""
        locations = await self._lookup(prompt_ids)
        missing = [prompt_id for prompt_id, location in locations.items() if location is PromptLocation.UNKNOWN]
        if missing:
            await self._clock.sleep(self._second_check)
            locations |= await self._lookup(missing)
        return locations

    async def _lookup(self, prompt_ids: Collection[str]) -> dict[str, PromptLocation]:
        queue = await self._client.queue()
        locations = dict.fromkeys(queue.pending, PromptLocation.PENDING) | dict.fromkeys(
            queue.running, PromptLocation.RUNNING
        )
        return {prompt_id: locations.get(prompt_id) or await self._finished(prompt_id) for prompt_id in prompt_ids}

    async def _finished(self, prompt_id: str) -> PromptLocation:
        entry = await self._client.history(prompt_id)
        return PromptLocation.UNKNOWN if entry is None else PromptLocation.FINISHED
