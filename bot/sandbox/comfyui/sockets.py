"""The websockets of the stand-in, and the one publisher task that sends to all of them.

As in ComfyUI, one outbox is sent out socket by socket: frames are totally ordered, and a client that does not read
blocks all others. Frames for disconnected clients are lost.
"""

import asyncio
import json
import struct
import uuid
from typing import Any, cast

from aiohttp import WSMsgType, web

from bot.sandbox.comfyui.execution.gate import while_stuck
from bot.sandbox.comfyui.state import Generation, ServerState

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_IMAGE_TYPES = {"image/jpeg": 1, "image/png": 2}
OUTBOX_FRAMES = 100_000
"""ComfyUI's outbox is unbounded; tests send far fewer frames."""

Frame = tuple[str, str | bytes, str | None]
"""(kind, payload, socket id; None for all)."""
Dated = tuple[float, Frame]
"""(time on the loop's clock at which it may be sent, frame)."""


class Sockets:
    """All open sockets by id, with the feature flags that each client sent."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._open: dict[str, web.WebSocketResponse] = {}
        self._flags: dict[str, Any] = {}
        self._outbox: asyncio.Queue[Dated] = asyncio.Queue(OUTBOX_FRAMES)
        self.current: tuple[str | None, str | None] = (None, None)
        """(socket id of the running prompt's client, running node), sent to a reconnecting client."""
        self.remaining = 0
        """Queue length for the first frame of a new socket."""

    # ------------------------------------------------------------ outgoing

    def send(self, kind: str, data: dict[str, Any], sid: str | None = None) -> None:
        """Queue one JSON frame; for all sockets if `sid` is None."""
        self._put((kind, json.dumps({"type": kind, "data": data}), sid))

    def status(self, remaining: int) -> None:
        self.remaining = remaining
        self.send("status", _status(remaining))

    def send_picture(self, data: bytes, content_type: str, metadata: dict[str, Any], sid: str | None) -> None:
        """Queue one image, in the binary format that the client asked for.

        Like ComfyUI, raises `AttributeError` if the client's flags are not an object.
        """
        if sid is not None and self.wants_metadata(sid):
            head = json.dumps({**metadata, "image_type": content_type}).encode()
            payload = struct.pack(">II", _PREVIEW_WITH_METADATA, len(head)) + head + data
            self._put((f"binary {_PREVIEW_WITH_METADATA}", payload, sid))
        else:
            payload = struct.pack(">II", _PREVIEW, _IMAGE_TYPES[content_type]) + data
            self._put((f"binary {_PREVIEW}", payload, sid))

    def reaches(self, sid: str | None) -> bool:
        """Whether a socket is open for frames to `sid`."""
        return bool(self._open) if sid is None else sid in self._open

    def wants_metadata(self, sid: str) -> bool:
        """Whether the client asked for previews with metadata; only JSON `true` counts."""
        flags = cast("dict[str, Any]", self._flags.get(sid, {}))  # not validated: can be any JSON value
        return flags.get("supports_preview_metadata") is True

    def _put(self, frame: Frame) -> None:
        if frame[0] not in self._state.lost_frames:
            self._outbox.put_nowait((asyncio.get_running_loop().time() + self._state.latency, frame))

    async def publish(self) -> None:
        """Send the queued frames; never returns."""
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
            return  # disconnected; its handler cleans up

    # ------------------------------------------------------------ incoming

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws?clientId=…`: returns when the socket closes."""
        if self._state.refuse_sockets:
            return web.Response(status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self._state.latency:
            await asyncio.sleep(self._state.latency)  # before it is registered, so that no frame overtakes the greeting
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
                continue  # invalid JSON does not count as the first message
            if is_first and isinstance(frame, dict) and cast("dict[str, Any]", frame).get("type") == "feature_flags":
                self._flags[sid] = cast("dict[str, Any]", frame).get("data", {})
                await asyncio.sleep(self._state.latency)
                await self._reply(socket, "feature_flags", server_features(self._state))
            is_first = False

    async def _reply(self, socket: web.WebSocketResponse, kind: str, data: dict[str, Any]) -> None:
        if kind not in self._state.lost_frames:
            await self._deliver(socket, kind, json.dumps({"type": kind, "data": data}))

    async def close(self) -> None:
        """Close all sockets with a closing handshake."""
        for socket in [*self._open.values()]:
            await socket.close()

    def _forget(self, socket: web.WebSocketResponse, sid: str) -> None:
        if self._state.deaf_takeover or self._open.get(sid) is socket:
            self._open.pop(sid, None)
            self._flags.pop(sid, None)


def _status(remaining: int) -> dict[str, Any]:
    return {"status": {"exec_info": {"queue_remaining": remaining}}}


def server_features(state: ServerState) -> dict[str, Any]:
    """Return the server's features, for `/features` and the answer to a client's flags."""
    features: dict[str, Any] = {"supports_preview_metadata": True, "max_upload_size": state.max_upload_size}
    if state.generation is Generation.NEW:
        features |= {"supports_model_type_tags": True, "node_replacements": True, "assets": False, "extension": {}}
    return features
