"""Routes for posting and stopping prompts, and for the queue and history."""

import json
import time
import uuid
from typing import Any, cast

from aiohttp import web

from bot.sandbox.comfyui.execution.queue import SENSITIVE, SHOWN
from bot.sandbox.comfyui.execution.run import Workshop
from bot.sandbox.comfyui.execution.worker import Worker
from bot.sandbox.comfyui.nodes.call import json_object
from bot.sandbox.comfyui.state import Generation
from bot.sandbox.comfyui.validation import GraphValidator

_INVALID_ID: dict[str, Any] = {
    "type": "invalid_prompt_id",
    "message": "prompt_id must be a valid UUID",
    "details": "prompt_id must be a UUID string in canonical lowercase hyphenated form",
    "extra_info": {},
}
_NO_PROMPT: dict[str, Any] = {
    "type": "no_prompt",
    "message": "No prompt provided",
    "details": "No prompt provided",
    "extra_info": {},
}


class PromptRoutes:
    """Exceptions of the handlers for bad input become a 500, as in ComfyUI."""

    def __init__(self, workshop: Workshop, worker: Worker) -> None:
        self._shop = workshop
        self._worker = worker
        self._number = 0

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/prompt", self._get_prompt),
            web.post("/prompt", self._post_prompt),
            web.get("/queue", self._get_queue),
            web.post("/queue", self._post_queue),
            web.get("/history", self._get_history),
            web.get("/history/{prompt_id}", self._get_one),
            web.post("/history", self._post_history),
            web.post("/interrupt", self._interrupt),
            web.post("/free", self._free),
        ]

    # ------------------------------------------------------------ posting

    async def _post_prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        return self.submit(body)

    def submit(self, body: Any) -> web.Response:
        """Validate and queue a posted prompt."""
        number = self._next_number(body)
        if "prompt" not in body:
            return _refused(_NO_PROMPT)
        graph, prompt_id = body["prompt"], self._prompt_id(body)
        if prompt_id is None:
            return _refused(_INVALID_ID)
        verdict = self._validator(graph).validate(body.get("partial_execution_targets"))
        extra: dict[str, Any] = body.get("extra_data", {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        if verdict.error is not None:
            return _refused(verdict.error, verdict.node_errors)
        self._queue(number, prompt_id, graph, extra, verdict.outputs)
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def _queue(self, number: float, prompt_id: str, graph: Any, extra: dict[str, Any], outputs: list[str]) -> None:
        hidden = {}
        if self._shop.state.generation is Generation.NEW:
            hidden = {key: extra.pop(key) for key in SENSITIVE if key in extra}
            extra["create_time"] = int(time.time() * 1000)
        self._shop.state.seen.prompts.append(prompt_id)
        self._shop.state.seen.graphs[prompt_id] = graph
        self._shop.queue.put((number, prompt_id, graph, extra, outputs, hidden))

    def _next_number(self, body: Any) -> float:
        if "number" in body:
            return float(body["number"])
        number = -self._number if json_object(body).get("front") else self._number
        self._number += 1
        return number

    def _prompt_id(self, body: dict[str, Any]) -> str | None:
        """Return the id to use, or None if this generation rejects it."""
        if self._shop.state.generation is Generation.OLD:
            return str(body.get("prompt_id", uuid.uuid4()))
        given = body.get("prompt_id")
        return str(uuid.uuid4()) if given is None else given if is_canonical_uuid(given) else None

    def _validator(self, graph: Any) -> GraphValidator:
        shop = self._shop
        return GraphValidator(graph, catalog=shop.catalog, folders=shop.folders, generation=shop.state.generation)

    # ------------------------------------------------------------ reading

    async def _get_prompt(self, _request: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": self._shop.queue.remaining}})

    async def _get_queue(self, _request: web.Request) -> web.Response:
        queue = self._shop.queue
        running = [] if queue.running is None else [queue.running[:SHOWN]]
        return web.json_response({"queue_running": running, "queue_pending": [item[:SHOWN] for item in queue.pending]})

    async def _get_history(self, request: web.Request) -> web.Response:
        max_items = request.query.get("max_items")
        offset = int(request.query.get("offset", "-1"))
        return web.json_response(self._shop.queue.page(None if max_items is None else int(max_items), offset))

    async def _get_one(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        entry = self._shop.queue.history.get(prompt_id)
        return web.json_response({} if entry is None else {prompt_id: entry})

    # ------------------------------------------------------------ changing

    async def _post_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if isinstance(body, list):
            return web.Response()  # a no-op, not an error
        if body.get("clear"):
            self._shop.stopper.clear()
        if "delete" in body:
            for prompt_id in body["delete"]:
                self._shop.stopper.delete(prompt_id)
        return web.Response()

    async def _post_history(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._shop.queue.history.clear()
        for prompt_id in body.get("delete", ()):
            self._shop.queue.history.pop(prompt_id, None)
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = cast("dict[str, Any]", {})
        prompt_id = body.get("prompt_id")
        self._shop.state.seen.interrupts.append(prompt_id or None)
        self._shop.stopper.interrupt(prompt_id)
        return web.Response()

    async def _free(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("free_memory") or body.get("unload_models"):
            self._worker.free_memory(results=bool(body.get("free_memory")))
        return web.Response()


def is_canonical_uuid(value: object) -> bool:
    """Whether `value` is a UUID as str() writes it: lowercase, with hyphens."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _refused(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)
