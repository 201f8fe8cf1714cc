"""All ComfyUI servers of one installation. Each has its own client and its own socket; none knows of the others."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Self

from aiohttp import ClientSession, TCPConnector

from bot.clock import Clock
from bot.comfy.parking import Park, unparked
from bot.comfy.server import ComfyServer
from bot.workflow.definitions import Definitions


def new_session(*, keep_alive: bool = True) -> ClientSession:
    """Return the HTTP session for all servers; call it with a running event loop.

    Without `keep_alive` every request has a connection of its own, which a simulated Discord needs to come to rest.
    """
    return ClientSession(connector=TCPConnector(limit=0, force_close=not keep_alive))


class Fleet:
    """Starts and stops the servers together, and answers what concerns them all."""

    def __init__(self, servers: Sequence[ComfyServer], *, session: ClientSession) -> None:
        self.servers = tuple(servers)
        self._session = session

    @classmethod
    def of(
        cls,
        urls: Sequence[str],
        *,
        clock: Clock,
        random: Random,
        park: Park = unparked,
        keep_alive: bool = True,
        on_change: Callable[[bool], None] | None = None,
    ) -> Self:
        """Return the servers at `urls`, named in their order; call it with a running event loop."""
        session = new_session(keep_alive=keep_alive)
        return cls(
            [
                ComfyServer(
                    name=f"gpu{number}",
                    url=url,
                    session=session,
                    clock=clock,
                    random=random,
                    park=park,
                    on_change=on_change,
                )
                for number, url in enumerate(urls, start=1)
            ],
            session=session,
        )

    async def start(self) -> None:
        """Begin to connect to every server; one that is away is waited for in the background."""
        await asyncio.gather(*(server.start() for server in self.servers))

    async def close(self) -> None:
        """Leave every server and close the session."""
        await asyncio.gather(*(server.close() for server in self.servers))
        await self._session.close()

    def any_online(self) -> bool:
        """Whether any server can take a job now."""
        return any(server.online for server in self.servers)

    def definitions(self) -> Definitions:
        """Return what a server can do: of the first one that is online and has told us, else of any that did."""
        told = [server for server in self.servers if server.definitions.nodes]
        told.sort(key=lambda server: not server.online)
        return told[0].definitions if told else Definitions()
