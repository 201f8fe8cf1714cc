"""HTTP to one server: timeouts, size limits, and every failure as one of the bot's errors.

Error bodies are text or empty as often as JSON, so bodies are never trusted before parsing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, Unpack

import aiohttp
import stamina
from aiohttp import ClientResponse, ClientSession, ClientTimeout, FormData, JsonPayload
from yarl import URL

from bot.comfy.errors import sanitize
from bot.comfy.timeouts import Timeouts
from bot.comfy.url import ServerUrl
from bot.workflow.json_access import load
from bot.workflow.run.events import ServerFaultError, ServerOfflineError

MAX_ANSWER = 64 * 1024 * 1024
"""Maximum bytes of an answer; a `/history` entry contains its whole graph, `/object_info` all node classes."""
PARSED_INLINE = 128 * 1024
"""Maximum bytes of JSON parsed on the event loop, about a millisecond."""
ATTEMPTS = 3
"""Tries of an idempotent request."""
_UNAVAILABLE = frozenset({502, 503, 504, *range(520, 531)})
"""Sent by proxies while the server behind them is offline."""
_CHUNK = 64 * 1024

T = TypeVar("T")


class Body(TypedDict, total=False):
    """Request contents, with aiohttp's names."""

    data: FormData | JsonPayload
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete response."""

    status: int
    body: bytes = field(repr=False)

    async def json(self) -> Any:
        """Return the parsed body, or None if it is not JSON. Large bodies are parsed off the event loop."""
        if len(self.body) <= PARSED_INLINE:
            return load(self.body)
        return await asyncio.to_thread(load, self.body)

    def fault(self) -> ServerFaultError:
        """Return this answer as an error."""
        return ServerFaultError(self.status, sanitize(self.body[:1000].decode(errors="replace")))


class Transport:
    """Sends requests to one server."""

    def __init__(self, *, session: ClientSession, address: ServerUrl, server: str, timeouts: Timeouts) -> None:
        self._session = session
        self._address = address
        self._server = server
        self._timeouts = timeouts

    async def get(
        self, *path: str, seconds: float | None = None, limit: int = MAX_ANSWER, **body: Unpack[Body]
    ) -> HttpAnswer:
        """Send a GET request with retries. Raises `ServerOfflineError`, `ServerFaultError`."""
        return await self.repeat(lambda: self.send("GET", *path, seconds=seconds, limit=limit, **body))

    async def repeat(self, send: Callable[[], Awaitable[T]]) -> T:
        """Retry an idempotent request with increasing delays while the server does not answer."""
        async for attempt in stamina.retry_context(
            on=ServerOfflineError, attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=2.0, wait_jitter=0.3
        ):
            with attempt:
                return await send()
        raise ServerOfflineError(self._server)  # pragma: no cover  # the last attempt raises by itself

    async def send(
        self, method: str, *path: str, seconds: float | None = None, limit: int = MAX_ANSWER, **body: Unpack[Body]
    ) -> HttpAnswer:
        """Send one request, once, and return the answer whatever its status.

        Raises `ServerOfflineError` without an answer, and `ServerFaultError` for one longer than `limit` bytes.
        """
        try:
            async with self._request(
                method, self._address.url(*path), seconds or self._timeouts.quick, body
            ) as response:
                answer = HttpAnswer(response.status, await _read(response, limit))
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise ServerOfflineError(self._server) from err
        if answer.status in _UNAVAILABLE:
            raise ServerOfflineError(self._server)
        return answer

    def _request(self, method: str, url: URL, seconds: float, body: Body) -> Any:
        return self._session.request(
            method,
            url,
            headers=self._address.headers,
            timeout=ClientTimeout(total=seconds, sock_connect=self._timeouts.connect),
            allow_redirects=False,  # a redirected POST loses its body, and a login page is not a valid answer
            raise_for_status=False,
            **body,
        )


async def _read(response: ClientResponse, limit: int) -> bytes:
    if (response.content_length or 0) > limit:
        raise ServerFaultError(413, "answer too large")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise ServerFaultError(413, "answer too large")
        chunks.append(chunk)
    return b"".join(chunks)
