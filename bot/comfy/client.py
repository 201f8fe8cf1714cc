"""ComfyUI's HTTP routes, one method each, in the bot's own words.

Works with servers of 2025 (0.3.6x) and later: only fields that both have are read. Calls that change something are
sent once; those that may be repeated are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import ClientSession, FormData, JsonPayload

from bot.comfy.address import Address
from bot.comfy.faults import node_faults, rejection_faults
from bot.comfy.timing import Timing
from bot.comfy.transport import Answer, Transport
from bot.workflow.execution import Accepted, GraphRejectedError, InputFile, JsonGraph, OutputRef, ServerFaultError
from bot.workflow.shapes import items, mapping, number, text

MAX_FILE = 256 * 1024 * 1024
"""Bytes of an output that are downloaded; videos are the large ones."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """The ids in a server's queue; `pending` in the order in which they will run."""

    running: tuple[str, ...]
    pending: tuple[str, ...]


class ComfyClient:
    """Speaks HTTP with one server.

    Every method may raise `ServerOfflineError` (no answer) and `ServerFaultError` (an answer that is of no use).
    Graphs go through `posts`, whose connections should be new ones: one that was kept may be dead without a sign.
    """

    def __init__(
        self,
        *,
        session: ClientSession,
        address: Address,
        server: str,
        timing: Timing,
        posts: ClientSession | None = None,
        upload_folder: str = "",
        preview_method: str = "auto",
    ) -> None:
        self._transport = Transport(session=session, address=address, server=server, timing=timing)
        self._posting = Transport(session=posts or session, address=address, server=server, timing=timing)
        self._timing = timing
        self._upload_folder = upload_folder
        self._preview_method = preview_method

    # ------------------------------------------------------------------ running graphs

    async def submit(self, prompt_id: str, graph: JsonGraph, *, client_id: str) -> Accepted:
        """Queue a graph under our id, once: a repeated POST would run it twice. Raises `GraphRejectedError`."""
        request = {
            "prompt": graph,
            "prompt_id": prompt_id,
            "client_id": client_id,
            "extra_data": {"preview_method": self._preview_method},  # per prompt since the end of 2025
        }
        # A model load freezes the server for as long as it takes, and giving up would leave the outcome in doubt
        answer = await self._posting.send("POST", "prompt", seconds=self._timing.slow, data=JsonPayload(request))
        content = mapping(await answer.json())
        if answer.status == 400 and content:
            raise GraphRejectedError(rejection_faults(content))
        queued_as = text(content.get("prompt_id"))
        if answer.status != 200 or not queued_as:
            raise answer.fault()
        if queued_as != prompt_id:
            await self.stop(queued_as)
            raise ServerFaultError(answer.status, "this ComfyUI is too old: it takes no prompt ids")
        return Accepted(node_faults(content.get("node_errors")))

    async def queue(self) -> QueueState:
        """Say what runs and what waits."""
        answer = await self._transport.get("queue")
        content = await _object(answer)
        running, pending = content.get("queue_running"), content.get("queue_pending")
        if not isinstance(running, list) or not isinstance(pending, list):
            raise answer.fault()
        return QueueState(_prompt_ids(content["queue_running"]), _prompt_ids(content["queue_pending"]))

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """Return the entry of a finished prompt; None for one that waits, runs or is unknown."""
        content = await _object(await self._transport.get("history", prompt_id))
        return mapping(content.get(prompt_id)) or None

    async def stop(self, prompt_id: str) -> None:
        """Take a prompt out of the queue, or interrupt it when it runs; without effect when it does neither."""
        if not prompt_id:
            # To ComfyUI an empty id means whatever runs now, whoever owns it.
            raise ValueError("stop() needs a prompt id")
        if not await self._cancel(prompt_id):
            await self._delete_or_interrupt(prompt_id)

    async def _cancel(self, prompt_id: str) -> bool:
        """Use the route of 2026, which leaves no gap between waiting and running; False where there is none."""
        answer = await self._transport.send("POST", "api", "jobs", prompt_id, "cancel")
        return answer.status == 200 and "cancelled" in mapping(await answer.json())

    async def _delete_or_interrupt(self, prompt_id: str) -> None:
        """Use the old routes. Servers before 0.3.60 interrupt whatever runs, so look what that is."""
        await self._change("queue", {"delete": [prompt_id]})
        if prompt_id in (await self.queue()).running:
            await self._change("interrupt", {"prompt_id": prompt_id})

    async def _change(self, route: str, request: Mapping[str, Any]) -> None:
        answer = await self._transport.send("POST", route, data=JsonPayload(request))
        if answer.status != 200:
            raise answer.fault()

    # ------------------------------------------------------------------ files

    async def upload(self, file: InputFile) -> str:
        """Store an input and return its name for graphs, which may differ from the one that was asked for.

        May be repeated: a server that has the same bytes under that name already returns that name.
        """
        answer = await self._transport.repeat(lambda: self._upload(file))
        stored = await _object(answer)
        name, subfolder = text(stored.get("name")), text(stored.get("subfolder"))
        if not name:
            raise answer.fault()
        return f"{subfolder}/{name}" if subfolder else name

    async def _upload(self, file: InputFile) -> Answer:
        form = FormData(quote_fields=False)  # the server does not decode what aiohttp would percent-encode
        form.add_field("image", file.data, filename=file.name, content_type="application/octet-stream")
        form.add_field("type", "input")
        if self._upload_folder:
            form.add_field("subfolder", self._upload_folder)
        return await self._transport.send("POST", "upload", "image", seconds=self._timing.slow, data=form)

    async def fetch(self, ref: OutputRef) -> bytes:
        """Download one output, as the server keeps it."""
        params = {"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.folder}
        answer = await self._transport.get("view", seconds=self._timing.slow, limit=MAX_FILE, params=params)
        if answer.status != 200:
            raise answer.fault()
        return answer.body

    # ------------------------------------------------------------------ about the server

    async def object_info(self) -> Mapping[str, Any]:
        """Return all node classes, as the server writes them."""
        return await _object(await self._transport.get("object_info", seconds=self._timing.slow))

    async def system_stats(self) -> Mapping[str, Any]:
        """Return versions, memory and devices. Holds paths: not for members."""
        return await _object(await self._transport.get("system_stats"))

    async def features(self) -> Mapping[str, Any]:
        """Return the feature flags; empty on servers that know none."""
        answer = await self._transport.get("features")
        return {} if answer.status == 404 else await _object(answer)


async def _object(answer: Answer) -> Mapping[str, Any]:
    """Return the JSON object that a 200 holds; anything else is a fault, so that "nothing" is never read out of it."""
    content = await answer.json()
    if answer.status != 200 or not isinstance(content, dict):
        raise answer.fault()
    return mapping(cast("object", content))


def _prompt_ids(queue: object) -> tuple[str, ...]:
    """Read queue items `[number, prompt_id, …]`. The server sends a heap: sorted it is the order of execution."""
    entries = [(number(entry[0]) or 0, text(entry[1])) for entry in map(items, items(queue)) if len(entry) >= 2]
    return tuple(prompt_id for _, prompt_id in sorted(entries))
