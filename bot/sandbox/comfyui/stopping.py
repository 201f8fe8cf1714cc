"""The ways to stop prompts, and a record of whom each of them hit.

Knows no HTTP: the routes of both generations end here.
"""

from typing import Any

from bot.sandbox.comfyui.nodes.call import json_object
from bot.sandbox.comfyui.queue import Item, PromptQueue
from bot.sandbox.comfyui.state import ServerState, Stop


class Stopper:
    """Takes prompts out of the queue, or asks the running one to stop."""

    def __init__(self, queue: PromptQueue, state: ServerState) -> None:
        self._queue = queue
        self._seen = state.seen

    def delete(self, prompt_id: object) -> bool:
        """Take one waiting prompt out; False when there is none of that id."""
        item = next((item for item in self._queue.pending if item[1] == prompt_id), None)
        if item is None:
            return False
        self._note(item, running=False, named=True)
        return self._queue.delete(prompt_id)

    def clear(self) -> None:
        """Forget all waiting prompts, whoever owns them."""
        for item in self._queue.pending:
            self._note(item, running=False, named=False)
        self._queue.clear()

    def interrupt(self, prompt_id: Any) -> bool:
        """Ask the running prompt to stop if it is that one; any falsy id means whatever runs."""
        is_meant = not prompt_id or self._queue.is_running(prompt_id)
        if is_meant and self._queue.running is not None:
            self._note(self._queue.running, running=True, named=bool(prompt_id))
        self._queue.interrupted = self._queue.interrupted or is_meant
        return is_meant

    def _note(self, item: Item, *, running: bool, named: bool) -> None:
        client_id = json_object(item[3]).get("client_id")
        self._seen.stops.append(Stop(prompt_id=item[1], client_id=client_id, was_running=running, was_named=named))
