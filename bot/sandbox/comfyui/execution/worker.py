"""The server's only worker: runs prompts from the queue one at a time."""

import asyncio
import logging
import time
from typing import Any

from bot.sandbox.comfyui.execution.queue import Item
from bot.sandbox.comfyui.execution.run import GraphRun, Workshop
from bot.sandbox.comfyui.frames import PromptFrames
from bot.sandbox.comfyui.nodes.call import json_object
from bot.sandbox.comfyui.sockets import Sockets
from bot.sandbox.comfyui.state import Generation, Run

_log = logging.getLogger(__name__)
_METHODS_ON = ("auto", "latent2rgb", "taesd")


class Worker:
    """Runs prompts; `work` is its task and never returns."""

    def __init__(self, workshop: Workshop, sockets: Sockets) -> None:
        self._shop = workshop
        self._sockets = sockets
        self._frees_requested: list[bool] = []

    async def work(self) -> None:
        while True:
            item = await self._shop.queue.take()
            frames = self._frames(item)
            entry = await self._timed(item, frames)
            await asyncio.sleep(self._shop.state.history_delay)
            self._shop.queue.finish(entry)
            frames.over()
            while self._frees_requested:
                self._free(results=self._frees_requested.pop())

    async def _timed(self, item: Item, frames: PromptFrames) -> dict[str, Any]:
        """Run a prompt and record its times."""
        began = time.monotonic()
        self._shop.memory.begin()
        entry = await self._run(item, frames)
        self._shop.memory.end()
        client_id = json_object(item[3]).get("client_id")
        run = Run(
            prompt_id=item[1],
            client_id=client_id,
            began=began,
            ended=time.monotonic(),
            outcome=_outcome(entry["status"]),
        )
        self._shop.state.seen.runs.append(run)
        return entry

    async def _run(self, item: Item, frames: PromptFrames) -> dict[str, Any]:
        try:
            return await GraphRun(item, frames, self._shop).run()
        except Exception:  # a bug in here must not leave a test waiting forever
            _log.exception("The stand-in could not run prompt %s.", item[1])
            status = {"status_str": "error", "completed": False, "messages": frames.messages}
            return {"outputs": {}, "status": status, "meta": {}}

    def free_memory(self, *, results: bool) -> None:
        """Unload the models, and the cached results if `results`, as soon as nothing is running."""
        if self._shop.queue.running is None:
            self._free(results=results)
        else:
            self._frees_requested.append(results)

    def _free(self, *, results: bool) -> None:
        self._shop.memory.clear()
        if results:
            self._shop.cache.clear()

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


def _outcome(status: dict[str, Any]) -> str:
    last = status["messages"][-1][0] if status["messages"] else ""
    return "interrupted" if last == "execution_interrupted" else str(status["status_str"])
