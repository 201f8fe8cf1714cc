"""A network between the bot and ComfyUI that forgets connections without telling anybody."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from bot.sandbox.comfyui import ServerState, StandIn
from tests.comfy.relay import Relay


class Network(Relay):
    """A relay whose connections of this moment can be stranded: both ends believe in them, and nothing gets through."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._stranded: set[Any] = set()

    def strand(self) -> None:
        """Let all connections be half-open from now on; new ones work."""
        for link in self._links:
            link.torn = True
            self._stranded.add(link)

    async def _pump(self, link: Any, source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        await super()._pump(link, _Gate(source, lambda: link in self._stranded), drain)  # type: ignore[arg-type]


class _Gate:
    """A reader that swallows what comes while it is shut."""

    def __init__(self, source: asyncio.StreamReader, is_shut: Any) -> None:
        self._source = source
        self._is_shut = is_shut

    async def read(self, size: int) -> bytes:
        while data := await self._source.read(size):
            if not self._is_shut():
                return data
        return b""


class DistantStandIn(StandIn):
    """A stand-in behind a network."""

    network: Network

    @property
    def url(self) -> str:
        """The address by which the bot reaches it."""
        return self.network.url


@asynccontextmanager
async def distant(state: ServerState) -> AsyncGenerator[DistantStandIn]:
    """Run a stand-in behind a network."""
    comfy = DistantStandIn(state)
    await comfy.start()
    try:
        async with Network.to(StandIn.url.fget(comfy)) as network:  # type: ignore[misc]
            comfy.network = network
            yield comfy
    finally:
        await comfy.close()
