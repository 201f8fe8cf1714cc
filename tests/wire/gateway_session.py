"""One gateway session: its numbered events, which outlive the socket that carries them."""

import asyncio
import json
import zlib
from collections import deque
from dataclasses import dataclass, field

from aiohttp import web

from tests.wire.http_json import Json

HISTORY_LENGTH = 2000


class Connection:
    """One socket. Compresses as the bot asked: zlib-stream, or not at all, which discord.py accepts for zstd too."""

    def __init__(self, *, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket
        self._lock = asyncio.Lock()
        wants_zlib = request.query.get("compress") == "zlib-stream"
        self._compressor = zlib.compressobj(level=1) if wants_zlib else None

    async def send(self, text: str) -> None:
        """Send one message; a socket that is gone is no error, a resume replays what it missed."""
        async with self._lock:
            if self._socket.closed:
                return
            try:
                if self._compressor is None:
                    await self._socket.send_str(text)
                else:
                    data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
                    await self._socket.send_bytes(data)
            except ConnectionError:
                return

    async def send_op(self, op: int, data: object = None) -> None:
        """Send a message that is no event."""
        await self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def close(self, code: int) -> None:
        """Close with one of Discord's codes."""
        await self._socket.close(code=code)

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()


@dataclass(slots=True)
class Session:
    """What a shard has between IDENTIFY and the end of its session."""

    id: str
    shard: int
    shard_count: int
    intents: int
    connection: Connection | None
    sequence: int = 0
    is_ready: bool = False
    history: deque[tuple[int, str]] = field(default_factory=lambda: deque[tuple[int, str]](maxlen=HISTORY_LENGTH))

    @property
    def is_live(self) -> bool:
        """Whether events reach the bot at this moment."""
        return self.is_ready and self.connection is not None

    async def dispatch(self, event: str, data: Json) -> None:
        """Number an event, remember it for a resume, and send it."""
        self.sequence += 1
        text = json.dumps({"op": 0, "s": self.sequence, "t": event, "d": data}, separators=(",", ":"))
        self.history.append((self.sequence, text))
        if self.connection is not None:
            await self.connection.send(text)

    def missed(self, since: int) -> list[tuple[int, str]]:
        """Return number and text of the events after `since`."""
        return [event for event in self.history if event[0] > since]
