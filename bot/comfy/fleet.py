"""All ComfyUI servers known to this process, each with its own client and WebSocket.

Whoever holds the lease of a server starts and closes it.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Protocol, Self

from aiohttp import ClientSession, TCPConnector

from bot.clock import Clock
from bot.comfy.capabilities import probe
from bot.comfy.server import ComfyServer
from bot.comfy.url import ServerUrl, check_server_url
from bot.errors import BotError, InputError, StartupError
from bot.i18n import _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.run.needs import Abilities
from bot.workflow.text_format import shown

OBJECT_INFO_TIMEOUT = 15.0
"""Seconds for a server's node definitions."""
KEEP_ALIVE = 3.0
"""Keep-alive of idle connections, in seconds. Requests on a connection that a router has dropped get no answer until
they time out, so connections are only reused within a moment."""


def new_session(*, keep_alive: bool = True) -> ClientSession:
    """Return the HTTP session for all servers; call it with a running event loop.

    Without `keep_alive` every request uses its own connection.
    """
    if not keep_alive:
        return ClientSession(connector=TCPConnector(limit=0, force_close=True))
    return ClientSession(connector=TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE))


class _Build(Protocol):
    """Builds a server without starting it."""

    def __call__(self, *, name: str, url: str) -> ComfyServer: ...


class Fleet:
    """The servers; they can be added and removed at any time."""

    def __init__(self, build: _Build, *, session: ClientSession, posts: ClientSession) -> None:
        self._build = build
        self._session = session
        self._posts = posts
        self._servers: dict[str, ComfyServer] = {}
        self._last_number = 0
        self._parts: tuple[Definitions, ...] = ()
        self._merged = Definitions()

    @classmethod
    def of(
        cls,
        urls: Sequence[str],
        *,
        clock: Clock,
        random: Random,
        instance: str = "",
        keep_alive: bool = True,
        on_change: Callable[[bool], None] | None = None,
        on_capabilities: Callable[[ComfyServer], None] | None = None,
    ) -> Self:
        """Return the servers at `urls`, named in order; call it with a running event loop.

        `instance` identifies the installation, across its processes and restarts, so that the next lease holder of a
        server receives the events of earlier prompts. Without `keep_alive` connections are not reused, which the
        simulated Discord needs to become idle. Graphs always use a new connection: if a reused one was dead, it would
        be unclear whether the server has the graph.
        """
        session, posts = new_session(keep_alive=keep_alive), new_session(keep_alive=False)

        def build(*, name: str, url: str) -> ComfyServer:
            return ComfyServer(
                name=name,
                url=url,
                session=session,
                posts=posts,
                clock=clock,
                random=random,
                on_change=on_change,
                on_capabilities=on_capabilities,
                client_id=_client_id(instance, url),
            )

        fleet = cls(build, session=session, posts=posts)
        for url in urls:
            fleet._add(url, fleet._new_name())
        return fleet

    # ------------------------------------------------------------------ members

    @property
    def servers(self) -> tuple[ComfyServer, ...]:
        """The current servers in the order in which they were added."""
        return tuple(self._servers.values())

    def get(self, key: str) -> ComfyServer | None:
        return self._servers.get(key)

    async def add(self, url: str, name: str | None = None) -> ComfyServer:
        """Add a server without starting it. Addresses entered in Discord must pass `check_server_url` first.

        Raises `InputError` for an invalid address, and when the server or its name already exists.
        """
        try:
            key = str(ServerUrl.parse(url).root)
        except StartupError as err:
            raise InputError(err.user_message) from err
        if existing := self._servers.get(key):
            raise InputError(_("This server already exists as “{name}”.", name=existing.name))
        if name is not None and any(server.name == name for server in self.servers):
            raise InputError(
                _("Another server is already called “{name}”. Please choose another name.", name=shown(name))
            )
        return self._add(url, name or self._new_name())

    async def remove(self, key: str) -> None:
        """Close and remove a server if it exists. Prompts on it continue."""
        server = self._servers.pop(key, None)
        if server:
            await server.close()

    async def probe(self, url: str) -> Abilities:
        """Check for up to 5 s whether ComfyUI runs at an address.

        Raises `InputError` when the address is invalid or something else answers, `OfflineError` when nothing answers.
        """
        return await probe(check_server_url(url), session=self._session)

    async def object_infos(self) -> list[Mapping[str, Any]]:
        """Return the current node definitions of each server that answers, in order."""
        answers = await asyncio.gather(*(_object_info(server) for server in self.servers))
        return [answer for answer in answers if answer]

    def _add(self, url: str, name: str) -> ComfyServer:
        server = self._build(name=name, url=url)
        return self._servers.setdefault(server.key, server)

    def _new_name(self) -> str:
        """Return a name that was never used in this process: reusing names would confuse people."""
        names = {server.name for server in self.servers}
        while True:
            self._last_number += 1
            if (name := f"gpu{self._last_number}") not in names:
                return name

    # ------------------------------------------------------------------ lifecycle

    async def start(self) -> None:
        """Start connecting to all servers in the background."""
        await asyncio.gather(*(server.start() for server in self.servers))

    async def close(self) -> None:
        """Disconnect from all servers and close the sessions."""
        await asyncio.gather(*(server.close() for server in self.servers))
        await asyncio.gather(self._session.close(), self._posts.close())

    # ------------------------------------------------------------------ all servers together

    def any_online(self) -> bool:
        return any(server.online for server in self.servers)

    def definitions(self) -> Definitions:
        """Return the merged definitions of all online servers, or of all known ones while none is online."""
        known = [server for server in self.servers if server.definitions.nodes]
        online = [server for server in known if server.online]
        return self._merge(server.definitions for server in online or known)

    def _merge(self, several: Iterable[Definitions]) -> Definitions:
        """Merge, reusing the last result for the same parts: autocomplete calls this on every keystroke."""
        parts = tuple(several)
        if len(parts) != len(self._parts) or any(new is not old for new, old in zip(parts, self._parts, strict=True)):
            self._parts, self._merged = parts, Definitions.merged(parts)
        return self._merged


async def _object_info(server: ComfyServer) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(OBJECT_INFO_TIMEOUT):
            return await server.client.object_info()
    except (TimeoutError, BotError):
        return {}


def _client_id(instance: str, url: str) -> str:
    """Return a stable id for an installation and server; empty without an installation id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{instance} {ServerUrl.parse(url).root}")) if instance else ""
