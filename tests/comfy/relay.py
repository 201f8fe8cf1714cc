"""A TCP relay between client and server, to break connections in the ways that networks do."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit


@dataclass(eq=False)
class _Link:
    """One relayed connection: towards the client, and towards the server."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    torn: bool = False
    """Whether an end of one side is kept from the other."""


class Relay:
    """Passes bytes on to one server, until told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: list[_Link] = []
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncGenerator[Self]:
        """Listen while the context lasts."""
        relay = cls(urlsplit(url).port or 80)
        relay._server = await asyncio.start_server(relay._accept, "127.0.0.1", 0)
        relay.url = f"http://127.0.0.1:{relay._server.sockets[0].getsockname()[1]}"
        try:
            yield relay
        finally:
            relay._server.close()
            relay.cut()
            relay.flow()
            await asyncio.gather(*relay._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for link in self._links:
            link.near.transport.abort()
            link.far.transport.abort()
        self._links.clear()

    def cut_near(self) -> None:
        """Reset what leads to the client; the server notices nothing, as behind a router that lost its table."""
        for link in self._links:
            link.torn = True
            link.near.transport.abort()

    def cut_far(self) -> None:
        """Let the server notice, too, what `cut_near` or `hang` did."""
        for link in self._links:
            if link.torn:
                link.far.transport.abort()

    def hang(self) -> None:
        """Swallow everything and keep all connections open, on the server's side even when the client gives up."""
        for link in self._links:
            link.torn = True
        self._flowing.clear()

    def flow(self) -> None:
        """Pass bytes on again."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far_writer)
        self._links.append(link)
        for source, drain in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(link, source, drain))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, link: _Link, source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flowing.wait()
                drain.write(data)
                await drain.drain()
        except OSError:
            pass
        if not link.torn:
            drain.close()
