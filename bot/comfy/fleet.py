"""All ComfyUI servers of one installation. Each has its own client and its own socket; none knows of the others."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from random import Random
from typing import Self

from aiohttp import ClientSession, TCPConnector

from bot.clock import Clock
from bot.comfy.address import Address
from bot.comfy.parking import Park, unparked
from bot.comfy.server import ComfyServer
from bot.workflow.definitions import Definitions

KEPT_OPEN = 3.0
"""Seconds for which an idle connection is kept for the next question. One that a router has forgotten swallows what is
sent, until a time limit ends the wait; so it is kept for the questions of one moment only."""


def new_session(*, keep_alive: bool = True) -> ClientSession:
    """Return the HTTP session for all servers; call it with a running event loop.

    Without `keep_alive` every request has a connection of its own.
    """
    if not keep_alive:
        return ClientSession(connector=TCPConnector(limit=0, force_close=True))
    return ClientSession(connector=TCPConnector(limit=0, keepalive_timeout=KEPT_OPEN))


class Fleet:
    """Starts and stops the servers together, and answers what concerns them all."""

    def __init__(self, servers: Sequence[ComfyServer], *, sessions: Sequence[ClientSession]) -> None:
        self.servers = tuple(servers)
        self._sessions = tuple(sessions)

    @classmethod
    def of(
        cls,
        urls: Sequence[str],
        *,
        clock: Clock,
        random: Random,
        instance: str = "",
        park: Park = unparked,
        keep_alive: bool = True,
        on_change: Callable[[bool], None] | None = None,
    ) -> Self:
        """Return the servers at `urls`, named in their order; call it with a running event loop.

        `instance` names this installation, the same after a restart: what it had posted before is heard of again.
        Without `keep_alive` connections are not used twice, which a simulated Discord needs to come to rest. Graphs
        never go over a used one: if it was dead, nobody could say whether the server has the graph.
        """
        session, posts = new_session(keep_alive=keep_alive), new_session(keep_alive=False)
        return cls(
            [
                ComfyServer(
                    name=f"gpu{number}",
                    url=url,
                    session=session,
                    posts=posts,
                    clock=clock,
                    random=random,
                    park=park,
                    on_change=on_change,
                    client_id=_client_id(instance, url),
                )
                for number, url in enumerate(urls, start=1)
            ],
            sessions=(session, posts),
        )

    async def start(self) -> None:
        """Begin to connect to every server; one that is away is waited for in the background."""
        await asyncio.gather(*(server.start() for server in self.servers))

    async def close(self) -> None:
        """Leave every server and close the session."""
        await asyncio.gather(*(server.close() for server in self.servers))
        await asyncio.gather(*(session.close() for session in self._sessions))

    def any_online(self) -> bool:
        """Whether any server can take a job now."""
        return any(server.online for server in self.servers)

    def definitions(self) -> Definitions:
        """Return what a server can do: of the first one that is online and has told us, else of any that did."""
        told = [server for server in self.servers if server.definitions.nodes]
        told.sort(key=lambda server: not server.online)
        return told[0].definitions if told else Definitions()


def _client_id(instance: str, url: str) -> str:
    """Return the same id for the same installation and server; none for an installation without a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{instance} {Address.parse(url).root}")) if instance else ""
