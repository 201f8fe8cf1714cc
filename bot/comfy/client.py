"""ComfyUI's HTTP routes, one method each.

Works with servers from 2025 (0.3.6x) on: only fields that all of them have are read. Only idempotent requests are
retried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import ClientSession, FormData, JsonPayload

from bot.comfy.errors import node_faults, rejection_faults
from bot.comfy.timeouts import Timeouts
from bot.comfy.transport import HttpAnswer, Transport
from bot.comfy.url import ServerUrl
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.json_access import (
    items,
    mapping,
    number,
    text,
)
from bot.workflow.run.events import Accepted, GraphRejectedError, InputFile, OutputRef, ServerFaultError

MAX_FILE = 256 * 1024 * 1024
"""Maximum bytes of a downloaded output; the large ones are videos."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The prompt ids in a server's queue; `pending` in execution order."""

    running: tuple[str, ...]
    pending: tuple[str, ...]


class ComfyClient:
    """HTTP client of one server.

    Every method may raise `ServerOfflineError` (no answer) and `ServerFaultError` (an unusable answer). Graphs are
    posted through `posts`, a session without keep-alive: a reused connection may be dead without showing it.
    """

    def __init__(
        self,
        *,
        session: ClientSession,
        address: ServerUrl,
        server: str,
        timeouts: Timeouts,
        posts: ClientSession | None = None,
        upload_folder: str = "",
        preview_method: str = "auto",
    ) -> None:
        self._transport = Transport(session=session, address=address, server=server, timeouts=timeouts)
        self._posting = Transport(session=posts or session, address=address, server=server, timeouts=timeouts)
        self._timeouts = timeouts
        self._upload_folder = upload_folder
        self._preview_method = preview_method

    # ------------------------------------------------------------------ running graphs

    async def submit(self, prompt_id: str, graph: JsonGraph, *, client_id: str) -> Accepted:
        """Queue a graph under our prompt id. Never retried: it could run twice. Raises `GraphRejectedError`."""
        request = {
            "prompt": graph,
            "prompt_id": prompt_id,
            "client_id": client_id,
            "extra_data": {"preview_method": self._preview_method},  # supported per prompt since the end of 2025
        }
        # Loading a model blocks the server; with a shorter timeout it would be unclear whether it has the graph
        answer = await self._posting.send("POST", "prompt", seconds=self._timeouts.slow, data=JsonPayload(request))
        content = mapping(await answer.json())
        if answer.status == 400 and content:
            raise GraphRejectedError(rejection_faults(content))
        queued_as = text(content.get("prompt_id"))
        if answer.status != 200 or not queued_as:
            raise answer.fault()
        if queued_as != prompt_id:
            await self.stop(queued_as)
            raise ServerFaultError(answer.status, "this ComfyUI is too old: it does not accept prompt ids")
        return Accepted(node_faults(content.get("node_errors")))

    async def queue(self) -> QueueState:
        """Return the running and pending prompts."""
        answer = await self._transport.get("queue")
        content = await _object(answer)
        running, pending = content.get("queue_running"), content.get("queue_pending")
        if not isinstance(running, list) or not isinstance(pending, list):
            raise answer.fault()
        return QueueState(_prompt_ids(content["queue_running"]), _prompt_ids(content["queue_pending"]))

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """Return the history entry of a finished prompt; None if it is pending, running or unknown."""
        content = await _object(await self._transport.get("history", prompt_id))
        return mapping(content.get(prompt_id)) or None

    async def stop(self, prompt_id: str) -> None:
        """Remove a pending prompt from the queue or interrupt a running one; otherwise do nothing."""
        if not prompt_id:
            # ComfyUI takes an empty id as whatever is running, no matter whose it is.
            raise ValueError("stop() needs a prompt id")
        if not await self._cancel(prompt_id):
            await self._delete_or_interrupt(prompt_id)

    async def _cancel(self, prompt_id: str) -> bool:
        """Use the atomic route of 2026; False on servers without it."""
        answer = await self._transport.send("POST", "api", "jobs", prompt_id, "cancel")
        return answer.status == 200 and "cancelled" in mapping(await answer.json())

    async def _delete_or_interrupt(self, prompt_id: str) -> None:
        """Use the older routes. Servers before 0.3.60 interrupt whatever is running, so check that first."""
        await self._change("queue", {"delete": [prompt_id]})
        if prompt_id in (await self.queue()).running:
            await self._change("interrupt", {"prompt_id": prompt_id})

    async def _change(self, route: str, request: Mapping[str, Any]) -> None:
        answer = await self._transport.send("POST", route, data=JsonPayload(request))
        if answer.status != 200:
            raise answer.fault()

    # ------------------------------------------------------------------ files

    async def upload(self, file: InputFile) -> str:
        """Store an input file and return its name for graphs, which may differ from the requested one.

        Idempotent: a server that already has the same bytes under that name returns the name.
        """
        answer = await self._transport.repeat(lambda: self._upload(file))
        stored = await _object(answer)
        name, subfolder = text(stored.get("name")), text(stored.get("subfolder"))
        if not name:
            raise answer.fault()
        return f"{subfolder}/{name}" if subfolder else name

    async def _upload(self, file: InputFile) -> HttpAnswer:
        form = FormData(quote_fields=False)  # the server does not decode aiohttp's percent-encoding
        form.add_field("image", file.data, filename=file.name, content_type="application/octet-stream")
        form.add_field("type", "input")
        if self._upload_folder:
            form.add_field("subfolder", self._upload_folder)
        return await self._transport.send("POST", "upload", "image", seconds=self._timeouts.slow, data=form)

    async def fetch(self, ref: OutputRef) -> bytes:
        """Download one output unchanged."""
        params = {"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.folder}
        answer = await self._transport.get("view", seconds=self._timeouts.slow, limit=MAX_FILE, params=params)
        if answer.status != 200:
            raise answer.fault()
        return answer.body

    # ------------------------------------------------------------------ server information

    async def object_info(self) -> Mapping[str, Any]:
        """Return all node classes as reported."""
        return await _object(await self._transport.get("object_info", seconds=self._timeouts.slow))

    async def system_stats(self) -> Mapping[str, Any]:
        """Return versions, memory and devices. Contains file paths: not for members."""
        return await _object(await self._transport.get("system_stats"))


async def _object(answer: HttpAnswer) -> Mapping[str, Any]:
    """Return the JSON object of a 200 answer; anything else is a fault and must not pass for an empty object."""
    content = await answer.json()
    if answer.status != 200 or not isinstance(content, dict):
        raise answer.fault()
    return mapping(cast("object", content))


def _prompt_ids(queue: object) -> tuple[str, ...]:
    """Parse queue items `[number, prompt_id, …]`. The server sends a heap; sorting gives the execution order."""
    entries = [(number(entry[0]) or 0, text(entry[1])) for entry in map(items, items(queue)) if len(entry) >= 2]
    return tuple(prompt_id for _, prompt_id in sorted(entries))
