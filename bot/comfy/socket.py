"""The one websocket to a server: stays connected, reads, parses, hands on. Knows neither prompts nor HTTP routes.

The reader awaits nothing but `receive`: a client that does not read stalls every client of that ComfyUI.

Which client id a new connection uses decides what happens to running prompts, whose frames go to the id that they were
posted under, and only there. ComfyUI has a fault, too: when it notices late that an old socket is gone, it removes the
new socket of the same id, which stays open, answers pings and hears nothing any more. So:

* After a connection that the other side ended (a close frame, or TCP's end or reset), the id is kept: the server has
  forgotten the old socket, and the progress of running prompts goes on.
* After one that does not answer any more (no pong, a broken frame, no answer to our close frame), the server may still
  hold the old socket, so the id is a fresh one. Prompts posted under the old id are then followed by looking at the
  queue (`bot.comfy.patrol`).
* A deaf one, which answers but hears nothing, is closed in good order and opened again under its id: the server has
  forgotten the id, so nothing is in the way, and the progress of running prompts comes again. One that never heard
  anything under its id is given up for a fresh one.
* The first connection has the id of whoever held the server before us: this process before a restart, or another one
  of the installation. If the machine of that one lost its power or network, its socket lives on for the server, and
  ours may go deaf later.

The old socket is closed before the new one opens, always. What remains is caught by the watchdog, also in the patrol.
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
from bot.comfy.address import Address
from bot.comfy.events import Event, Executing, FeatureFlags, Status
from bot.comfy.frames import parse_binary, parse_text
from bot.comfy.parking import Park
from bot.comfy.timing import Timing

log = logging.getLogger(__name__)

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one frame: nodes may send whole pictures, and aiohttp's own limit of 4 MiB would end the connection."""
FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
"""Must be the first frame of a connection; later ones are ignored. Previews then name their prompt."""

_Ws = ClientWebSocketResponse[Any]


class Socket:
    """Keeps one connection at a time, for ever."""

    def __init__(
        self,
        *,
        session: ClientSession,
        address: Address,
        server: str,
        timing: Timing,
        clock: Clock,
        random: Random,
        park: Park,
        on_event: Callable[[Event, int], None],
        on_flip: Callable[[bool], None],
        client_id: str = "",
    ) -> None:
        self._own_id = client_id
        self._session = session
        self._address = address
        self._server = server
        self._timing = timing
        self._clock = clock
        self._random = random
        self._park = park
        self._on_event = on_event
        self._on_flip = on_flip
        self._ws: _Ws | None = None
        self._resumes = False
        self._left = asyncio.Event()
        self._left.set()
        self.client_id = client_id or str(uuid.uuid4())
        """Where frames of prompts posted now will arrive."""
        self.connection = 0
        """The number of the newest connection, from 1."""
        self.since = 0
        """The first connection of those that the present one continues, under the same id and without a gap in it."""
        self.frames = 0
        """Frames received on all connections."""
        self.news = 0
        """Those of them that do not just greet a new connection: proof that this one is not deaf."""
        self._news_before = 0
        self.skipped = 0
        """Frames of an unknown kind or malformed."""

    @property
    def connected(self) -> bool:
        """Whether a connection is open, and not about to be replaced."""
        return self._ws is not None and not self._resumes

    def begin(self) -> None:
        """Start as for the first time: whoever held the server meanwhile did so under the installation's id."""
        self._resumes = False
        if self._own_id:
            self.client_id = self._own_id

    async def run(self) -> None:
        """Connect, read until the end, connect again; until cancelled."""
        failures = 0
        while True:
            heard = self.frames
            await self._stay()
            failures = 0 if self.frames > heard else failures + 1
            if failures == 1:
                log.warning("%s: ComfyUI cannot be reached; jobs wait until it is there", self._server)
            if not self._resumes:
                await self._park(self._clock.sleep(self._pause(failures)))

    async def reopen(self) -> None:
        """Replace a connection that seems deaf by one under the same id, or under a fresh one if it does not answer."""
        ws = self._ws
        if ws is None or not self._left.is_set():
            return
        log.warning("%s: the websocket seems deaf, connecting anew", self._server)
        self._resumes = True
        self._left.clear()
        try:
            await ws.close()
            if ws.close_code == WSCloseCode.ABNORMAL_CLOSURE:
                self._resumes = False
                self._freshen()
        finally:
            self._left.set()

    async def renew(self) -> None:
        """Give a deaf connection up. If it never heard anything under its id, the next one has a fresh id."""
        if self.news > self._news_before:
            await self.reopen()
        elif self._ws:
            log.warning("%s: the websocket is deaf, connecting anew", self._server)
            self._freshen()
            await self._ws.close()

    def _freshen(self) -> None:
        self.client_id = str(uuid.uuid4())

    def _pause(self, failures: int) -> float:
        pause = min(self._timing.retry_first * 2 ** min(failures, 16), self._timing.retry_most)
        return pause * (1 + self._random.random() / 2)

    # ------------------------------------------------------------------ one connection

    async def _stay(self) -> None:
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
            log.debug("%s: no websocket (%s)", self._server, type(err).__name__)
        finally:
            self._shut(was_open=resumes)

    async def _connect(self, client_id: str) -> _Ws:
        async with asyncio.timeout(self._timing.quick):
            return await self._session.ws_connect(
                self._address.url("ws"),
                params={"clientId": client_id},
                headers=self._address.headers,
                heartbeat=self._timing.heartbeat,
                timeout=ClientWSTimeout(ws_close=self._timing.close),  # pyright: ignore[reportCallIssue]  # attrs, untyped
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
        self._on_flip(True)

    def _shut(self, *, was_open: bool) -> None:
        """Tell that the connection is gone, unless another one follows at once."""
        was_open = was_open or self._ws is not None
        self._ws = None
        if was_open and not self._resumes:
            log.info("%s: disconnected", self._server)
            self._on_flip(False)

    async def _read(self, ws: _Ws) -> bool:
        """Read to the end of the connection; return whether the other side ended it."""
        while True:
            message = await self._park(ws.receive())
            match message.type:
                case WSMsgType.TEXT:
                    self._receive(parse_text(message.data))
                case WSMsgType.BINARY:
                    self._receive(parse_binary(message.data))
                case _:
                    failure = message.data if message.type is WSMsgType.ERROR else ws.exception()
                    return failure is None or isinstance(failure, ConnectionError)

    def _receive(self, event: Event | None) -> None:
        self.frames += 1
        if not _is_greeting(event):
            self.news += 1
        if event is None:
            self.skipped += 1
        else:
            self._on_event(event, self.connection)


def _is_greeting(event: Event | None) -> bool:
    """Whether the frame is sent to each new connection, by its own handler rather than by the publisher."""
    match event:
        case Status(sid=sid) if sid:
            return True
        case FeatureFlags() | Executing(prompt_id=""):
            return True
        case _:
            return False
