"""The websockets of the stand-in and the one publisher that feeds them all.

There is one outbox and one task that empties it, socket after socket: the order of frames is total, and a client
that does not read holds up every other one. Nothing is kept for a client that is away.
"""

import asyncio
import json
import struct
import uuid
from typing import Any, cast

from aiohttp import WSMsgType, web

from bot.sandbox.comfyui.gate import while_stuck
from bot.sandbox.comfyui.state import Generation, ServerState

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_IMAGE_TYPES = {"image/jpeg": 1, "image/png": 2}
OUTBOX_FRAMES = 100_000
"""The original's outbox has no bound; this is far above what any test sends."""

Frame = tuple[str, str | bytes, str | None]
"""(kind, payload, socket id; None for everybody)."""
Dated = tuple[float, Frame]
"""(time on the loop's clock at which the network lets it through, the frame)."""


class Sockets:
    """All open sockets by their id, with the flags that each of them sent."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._open: dict[str, web.WebSocketResponse] = {}
        self._flags: dict[str, Any] = {}
        self._outbox: asyncio.Queue[Dated] = asyncio.Queue(OUTBOX_FRAMES)
        self.current: tuple[str | None, str | None] = (None, None)
        """(socket id of the running prompt's client, node that runs): what a reconnecting client is told."""
        self.remaining = 0
        """Length of the queue, for the greeting of a new socket."""

    # ------------------------------------------------------------ outgoing

    def send(self, kind: str, data: dict[str, Any], sid: str | None = None) -> None:
        """Put one JSON frame into the outbox; to everybody when `sid` is None."""
        self._put((kind, json.dumps({"type": kind, "data": data}), sid))

    def status(self, remaining: int) -> None:
        """Tell everybody how long the queue is."""
        self.remaining = remaining
        self.send("status", _status(remaining))

    def send_picture(self, data: bytes, content_type: str, metadata: dict[str, Any], sid: str | None) -> None:
        """Put one picture into the outbox, in the layout that the client asked for.

        Raises AttributeError when the client's flags are no object, as the original does.
        """
        if sid is not None and self.wants_metadata(sid):
            head = json.dumps({**metadata, "image_type": content_type}).encode()
            payload = struct.pack(">II", _PREVIEW_WITH_METADATA, len(head)) + head + data
            self._put((f"binary {_PREVIEW_WITH_METADATA}", payload, sid))
        else:
            payload = struct.pack(">II", _PREVIEW, _IMAGE_TYPES[content_type]) + data
            self._put((f"binary {_PREVIEW}", payload, sid))

    def reaches(self, sid: str | None) -> bool:
        """Whether a frame for `sid` would find a socket."""
        return bool(self._open) if sid is None else sid in self._open

    def wants_metadata(self, sid: str) -> bool:
        """Whether that socket asked for previews that name their prompt; only JSON `true` counts."""
        flags = cast("dict[str, Any]", self._flags.get(sid, {}))  # or whatever else the client sent
        return flags.get("supports_preview_metadata") is True

    def _put(self, frame: Frame) -> None:
        if frame[0] not in self._state.lost_frames:
            self._outbox.put_nowait((asyncio.get_running_loop().time() + self._state.latency, frame))

    async def publish(self) -> None:
        """Empty the outbox for ever: the task that the server owns."""
        while True:
            due, (kind, payload, sid) = await self._outbox.get()
            if (early := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(early)
            await while_stuck(self._state)
            for socket in list(self._open.values()) if sid is None else [self._open.get(sid)]:
                if socket is not None:
                    await self._deliver(socket, kind, payload)

    async def _deliver(self, socket: web.WebSocketResponse, kind: str, payload: str | bytes) -> None:
        self._state.seen.frames[kind] += 1
        try:
            if isinstance(payload, str):
                await socket.send_str(payload)
            else:
                await socket.send_bytes(payload)
        except (ConnectionError, RuntimeError):
            return  # it left; its handler cleans up

    # ------------------------------------------------------------ incoming

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws?clientId=…`: lives as long as the socket does."""
        if self._state.refuse_sockets:
            return web.Response(status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self._state.latency:
            await asyncio.sleep(self._state.latency)  # before it is known: nothing may overtake the greeting
        sid = request.query.get("clientId") or uuid.uuid4().hex
        self._flags.pop(sid, None)
        self._open[sid] = socket
        self._state.seen.sockets_opened += 1
        self._state.seen.sockets_open += 1
        try:
            await self._greet(socket, sid)
            await self._listen(socket, sid)
        finally:
            self._state.seen.sockets_open -= 1
            self._forget(socket, sid)
        return socket

    async def _greet(self, socket: web.WebSocketResponse, sid: str) -> None:
        await self._reply(socket, "status", {**_status(self.remaining), "sid": sid})
        client, node = self.current
        if client == sid and node is not None:
            await self._reply(socket, "executing", {"node": node})

    async def _listen(self, socket: web.WebSocketResponse, sid: str) -> None:
        is_first = True
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                frame = json.loads(cast("str", message.data))
            except json.JSONDecodeError:
                continue  # the only kind that does not use up the chance to send flags
            if is_first and isinstance(frame, dict) and cast("dict[str, Any]", frame).get("type") == "feature_flags":
                self._flags[sid] = cast("dict[str, Any]", frame).get("data", {})
                await asyncio.sleep(self._state.latency)
                await self._reply(socket, "feature_flags", server_features(self._state))
            is_first = False

    async def _reply(self, socket: web.WebSocketResponse, kind: str, data: dict[str, Any]) -> None:
        if kind not in self._state.lost_frames:
            await self._deliver(socket, kind, json.dumps({"type": kind, "data": data}))

    async def close(self) -> None:
        """Close all sockets in an orderly way, as a server does that is asked to stop."""
        for socket in [*self._open.values()]:
            await socket.close()

    def _forget(self, socket: web.WebSocketResponse, sid: str) -> None:
        if self._state.deaf_takeover or self._open.get(sid) is socket:
            self._open.pop(sid, None)
            self._flags.pop(sid, None)


def _status(remaining: int) -> dict[str, Any]:
    return {"status": {"exec_info": {"queue_remaining": remaining}}}


def server_features(state: ServerState) -> dict[str, Any]:
    """Return what the server says it can do: `/features`, and the answer to a client's flags."""
    features: dict[str, Any] = {"supports_preview_metadata": True, "max_upload_size": state.max_upload_size}
    if state.generation is Generation.NEW:
        features |= {"supports_model_type_tags": True, "node_replacements": True, "assets": False, "extension": {}}
    return features
