"""Deletes, clears and interrupts prompts, and records which prompts were affected. Used by all routes."""

from typing import Any

from bot.sandbox.comfyui.execution.queue import Item, PromptQueue
from bot.sandbox.comfyui.nodes.call import json_object
from bot.sandbox.comfyui.state import ServerState, Stop


class Stopper:
    def __init__(self, queue: PromptQueue, state: ServerState) -> None:
        self._queue = queue
        self._seen = state.seen

    def delete(self, prompt_id: object) -> bool:
        """Remove a waiting prompt; False if there is none with that id."""
        item = next((item for item in self._queue.pending if item[1] == prompt_id), None)
        if item is None:
            return False
        self._note(item, running=False, named=True)
        return self._queue.delete(prompt_id)

    def clear(self) -> None:
        """Remove all waiting prompts of all clients."""
        for item in self._queue.pending:
            self._note(item, running=False, named=False)
        self._queue.clear()

    def interrupt(self, prompt_id: Any) -> bool:
        """Stop the running prompt if it has that id; any falsy id means whichever is running."""
        is_meant = not prompt_id or self._queue.is_running(prompt_id)
        if is_meant and self._queue.running is not None:
            self._note(self._queue.running, running=True, named=bool(prompt_id))
        self._queue.interrupted = self._queue.interrupted or is_meant
        return is_meant

    def _note(self, item: Item, *, running: bool, named: bool) -> None:
        client_id = json_object(item[3]).get("client_id")
        self._seen.stops.append(Stop(prompt_id=item[1], client_id=client_id, was_running=running, was_named=named))
