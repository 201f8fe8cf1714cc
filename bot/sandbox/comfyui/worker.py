"""The one worker of a server: takes prompts from the queue, one at a time, for as long as the server lives."""

import asyncio
import logging
from typing import Any

from bot.sandbox.comfyui.frames import PromptFrames
from bot.sandbox.comfyui.nodes.call import json_object
from bot.sandbox.comfyui.queue import Item
from bot.sandbox.comfyui.run import GraphRun, Workshop
from bot.sandbox.comfyui.sockets import Sockets
from bot.sandbox.comfyui.state import Generation

_log = logging.getLogger(__name__)
_METHODS_ON = ("auto", "latent2rgb", "taesd")


class Worker:
    """Runs prompts; `work` is the task that the server owns."""

    def __init__(self, workshop: Workshop, sockets: Sockets) -> None:
        self._shop = workshop
        self._sockets = sockets
        self._free_requested = False

    async def work(self) -> None:
        """Take and run prompts for ever."""
        while True:
            item = await self._shop.queue.take()
            frames = self._frames(item)
            entry = await self._run(item, frames)
            await asyncio.sleep(self._shop.state.history_delay)
            self._shop.queue.finish(entry)
            frames.over()
            if self._free_requested:
                self._free_requested = False
                self._shop.cache.clear()

    async def _run(self, item: Item, frames: PromptFrames) -> dict[str, Any]:
        try:
            return await GraphRun(item, frames, self._shop).run()
        except Exception:  # a mistake in here must not leave a test waiting for ever
            _log.exception("The stand-in could not run prompt %s.", item[1])
            status = {"status_str": "error", "completed": False, "messages": frames.messages}
            return {"outputs": {}, "status": status, "meta": {}}

    def free_memory(self) -> None:
        """Forget cached results as soon as nothing runs."""
        if self._shop.queue.running is None:
            self._shop.cache.clear()
        else:
            self._free_requested = True

    def _frames(self, item: Item) -> PromptFrames:
        extra = json_object(item[3])
        client_id = extra.get("client_id")
        return PromptFrames(self._sockets, item[1], client_id, wants_previews=self._wants_previews(extra))

    def _wants_previews(self, extra: dict[str, Any]) -> bool:
        method = extra.get("preview_method")
        if self._shop.state.generation is Generation.NEW and method == "none":
            return False
        if self._shop.state.generation is Generation.NEW and method in _METHODS_ON:
            return True
        return self._shop.state.previews
