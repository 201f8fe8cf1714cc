"""The one WebSocket to a server: stays connected, reads, parses and dispatches events.

The reader awaits nothing but `receive`: a client that does not read stalls every client of that ComfyUI server.

The client id of a new connection decides what happens to running prompts: their events only go to the id they were
submitted with. ComfyUI also has a bug: when it notices late that an old socket is gone, it removes the new socket with
the same id, which stays open and answers pings but receives nothing ("deaf"). So:

* After a connection that the server ended (a close frame, TCP end or reset), the id is kept: the server has removed the
  old socket, and events of running prompts continue.
* After an unresponsive one (no pong, a broken frame, no answer to our close frame), the server may still have the old
  socket, so a new id is used. Prompts submitted with the old id are then polled (`bot.comfy.reconciler`).
* A deaf one that still responds is closed cleanly and reopened with its id: the server has removed the id, so events of
  running prompts continue. One that never received anything with its id gets a new one.
* The first connection uses the id of the previous lease holder: this process before a restart, or another one of the
  installation. If that machine lost power or network, the server still has its socket, and ours may go deaf later.

The old socket is always closed before the new one is opened. The reconciler's watchdog handles what remains.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSCloseCode, WSMsgType

from bot.clock import Clock
from bot.comfy.frames import Frame, Status, Unattributed, parse_binary, parse_text
from bot.comfy.timeouts import Timeouts
from bot.comfy.url import ServerUrl

log = logging.getLogger(__name__)

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one frame: nodes may send whole images, and aiohttp's default limit of 4 MiB would end the connection."""
FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
"""Must be the first frame of a connection; later ones are ignored. It adds prompt ids to previews."""

_Ws = ClientWebSocketResponse[Any]


class WebSocketConnection:
    """Maintains the connection, one at a time."""

    def __init__(
        self,
        *,
        session: ClientSession,
        address: ServerUrl,
        server: str,
        timeouts: Timeouts,
        clock: Clock,
        random: Random,
        on_frame: Callable[[Frame, int], None],
        on_online_changed: Callable[[bool], None],
        client_id: str = "",
    ) -> None:
        self._own_id = client_id
        self._session = session
        self._address = address
        self._server = server
        self._timeouts = timeouts
        self._clock = clock
        self._random = random
        self._on_frame = on_frame
        self._on_online_changed = on_online_changed
        self._ws: _Ws | None = None
        self._resumes = False
        self._left = asyncio.Event()
        self._left.set()
        self.client_id = client_id or str(uuid.uuid4())
        """The id under which events of prompts submitted now arrive."""
        self.connection = 0
        """The number of the newest connection, from 1."""
        self.since = 0
        """The oldest connection that the current one continues, with the same id and without a gap."""
        self.frames = 0
        """Frames received on all connections."""
        self.news = 0
        """Frames other than greetings: they prove that the connection is not deaf."""
        self._news_before = 0
        self.skipped = 0
        """Unknown or malformed frames."""

    @property
    def connected(self) -> bool:
        """Whether a connection is open and not about to be replaced."""
        return self._ws is not None and not self._resumes

    def begin(self) -> None:
        """Reset to the installation's client id, which another lease holder may have used in the meantime."""
        self._resumes = False
        if self._own_id:
            self.client_id = self._own_id

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        failures = 0
        while True:
            heard = self.frames
            await self._run_connection()
            failures = 0 if self.frames > heard else failures + 1
            if failures == 1:
                log.warning("%s: ComfyUI is offline; its jobs wait until it is back", self._server)
            if not self._resumes:
                await self._clock.sleep(self._pause(failures))

    async def reopen(self) -> None:
        """Replace a connection that seems deaf, with the same id, or a new one if it does not answer."""
        ws = self._ws
        if ws is None or not self._left.is_set():
            return
        log.warning("%s: the WebSocket seems deaf, reconnecting", self._server)
        self._resumes = True
        self._left.clear()
        try:
            await ws.close()
            if ws.close_code == WSCloseCode.ABNORMAL_CLOSURE:
                self._resumes = False
                self._freshen()
        finally:
            self._left.set()

    async def reconnect(self) -> None:
        """Replace a deaf connection; with a new id if it never received anything with the current one."""
        if self.news > self._news_before:
            await self.reopen()
        elif self._ws:
            log.warning("%s: the WebSocket is deaf, reconnecting", self._server)
            self._freshen()
            await self._ws.close()

    def _freshen(self) -> None:
        self.client_id = str(uuid.uuid4())

    def _pause(self, failures: int) -> float:
        pause = min(self._timeouts.retry_first * 2 ** min(failures, 16), self._timeouts.retry_most)
        return pause * (1 + self._random.random() / 2)

    # ------------------------------------------------------------------ one connection

    async def _run_connection(self) -> None:
        client_id, resumes, self._resumes = self.client_id, self._resumes, False
        try:
            async with await self._connect(client_id) as ws:
                await ws.send_str(FLAGS)
                self._open(ws, resumes=resumes)
                ended_there = await self._read(ws)
                await self._left.wait()
            if not ended_there and self.client_id == client_id:
                self._freshen()
        except (aiohttp.ClientError, OSError, TimeoutError) as err:
            log.debug("%s: WebSocket failed (%s)", self._server, type(err).__name__)
        finally:
            self._shut(was_open=resumes)

    async def _connect(self, client_id: str) -> _Ws:
        async with asyncio.timeout(self._timeouts.quick):
            return await self._session.ws_connect(
                self._address.url("ws"),
                params={"clientId": client_id},
                headers=self._address.headers,
                heartbeat=self._timeouts.heartbeat,
                timeout=ClientWSTimeout(ws_close=self._timeouts.close),  # pyright: ignore[reportCallIssue]  # attrs, untyped
                max_msg_size=MAX_FRAME,
                decode_text=False,
            )

    def _open(self, ws: _Ws, *, resumes: bool) -> None:
        self._ws = ws
        self.connection += 1
        if not resumes:
            self.since = self.connection
        self._news_before = self.news
        log.info("%s: connected", self._server)
        self._on_online_changed(True)

    def _shut(self, *, was_open: bool) -> None:
        """Report the disconnect, unless another connection follows at once."""
        was_open = was_open or self._ws is not None
        self._ws = None
        if was_open and not self._resumes:
            log.info("%s: disconnected", self._server)
            self._on_online_changed(False)

    async def _read(self, ws: _Ws) -> bool:
        """Read until the connection ends; return whether the server ended it."""
        while True:
            message = await ws.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self._receive(parse_text(message.data))
                case WSMsgType.BINARY:
                    self._receive(parse_binary(message.data))
                case _:
                    failure = message.data if message.type is WSMsgType.ERROR else ws.exception()
                    return failure is None or isinstance(failure, ConnectionError)

    def _receive(self, frame: Frame | None) -> None:
        self.frames += 1
        if frame is not Unattributed.GREETING and not (isinstance(frame, Status) and frame.sid):
            self.news += 1
        if frame is None:
            self.skipped += 1
        else:
            self._on_frame(frame, self.connection)
