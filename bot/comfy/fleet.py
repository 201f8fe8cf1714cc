"""All ComfyUI servers that this process knows. Each has its own client and its own socket; none knows of the others.

Which of them a process speaks to is not decided here: whoever may use a server starts it, and closes it again.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Protocol, Self

from aiohttp import ClientSession, TCPConnector

from bot.clock import Clock
from bot.comfy.address import Address, check_address
from bot.comfy.parking import Park, unparked
from bot.comfy.probe import probe
from bot.comfy.server import ComfyServer
from bot.errors import BotError, InputError, StartupError
from bot.i18n import _
from bot.workflow.definitions import Definitions
from bot.workflow.needs import Abilities
from bot.workflow.wording import shown

TELL_LIMIT = 15.0
"""Seconds for a server to list its nodes."""
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


class _Build(Protocol):
    """Makes a server, which is not started."""

    def __call__(self, *, name: str, url: str) -> ComfyServer:
        """See the class."""
        ...


class Fleet:
    """The servers, which may become more or fewer at any time, and what concerns them all."""

    def __init__(self, build: _Build, *, session: ClientSession, posts: ClientSession) -> None:
        self._build = build
        self._session = session
        self._posts = posts
        self._servers: dict[str, ComfyServer] = {}
        self._named = 0
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
        park: Park = unparked,
        keep_alive: bool = True,
        on_change: Callable[[bool], None] | None = None,
        on_learnt: Callable[[ComfyServer], None] | None = None,
    ) -> Self:
        """Return the servers at `urls`, named in their order; call it with a running event loop.

        `instance` names the installation, the same in all of its processes and after a restart: whoever takes a server
        over hears of what was posted before. Without `keep_alive` connections are not used twice, which a simulated
        Discord needs to come to rest. Graphs never go over a used one: if it was dead, nobody could say whether the
        server has the graph.
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
                park=park,
                on_change=on_change,
                on_learnt=on_learnt,
                client_id=_client_id(instance, url),
            )

        fleet = cls(build, session=session, posts=posts)
        for url in urls:
            fleet._enrol(url, fleet._new_name())
        return fleet

    # ------------------------------------------------------------------ who belongs to it

    @property
    def servers(self) -> tuple[ComfyServer, ...]:
        """Those that are there now, in the order in which they came."""
        return tuple(self._servers.values())

    def get(self, key: str) -> ComfyServer | None:
        """Return the server of that key, if it is there."""
        return self._servers.get(key)

    async def add(self, url: str, name: str | None = None) -> ComfyServer:
        """Return a new server, which is not started. What members typed goes through `check_address` before.

        Raises `InputError` when this is no address, or when the server or its name is there already.
        """
        try:
            key = str(Address.parse(url).root)
        except StartupError as err:
            raise InputError(err.user_message) from err
        if there := self._servers.get(key):
            raise InputError(_("This server is there already, as “{name}”.", name=there.name))
        if name is not None and any(server.name == name for server in self.servers):
            raise InputError(_("Another server is called “{name}”. Please choose another name.", name=shown(name)))
        return self._enrol(url, name or self._new_name())

    async def remove(self, key: str) -> None:
        """Leave a server for good. Prompts go on there; does nothing when it is not in the fleet."""
        server = self._servers.pop(key, None)
        if server:
            await server.close()

    async def probe(self, url: str) -> Abilities:
        """Ask at an address whether a ComfyUI is there, which takes 5 s at most.

        Raises `InputError` when the address or what answers is no ComfyUI, and `OfflineError` when nothing answers.
        """
        return await probe(check_address(url), session=self._session)

    async def object_infos(self) -> list[Mapping[str, Any]]:
        """Return what each server says about its nodes now, in their order, without those that do not answer."""
        answers = await asyncio.gather(*(_object_info(server) for server in self.servers))
        return [answer for answer in answers if answer]

    def _enrol(self, url: str, name: str) -> ComfyServer:
        server = self._build(name=name, url=url)
        return self._servers.setdefault(server.key, server)

    def _new_name(self) -> str:
        """Return a name that no server has or had here: people remember them."""
        taken = {server.name for server in self.servers}
        while True:
            self._named += 1
            if (name := f"gpu{self._named}") not in taken:
                return name

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Begin to connect to every server; one that is away is waited for in the background."""
        await asyncio.gather(*(server.start() for server in self.servers))

    async def close(self) -> None:
        """Leave every server and close the sessions."""
        await asyncio.gather(*(server.close() for server in self.servers))
        await asyncio.gather(self._session.close(), self._posts.close())

    # ------------------------------------------------------------------ what concerns them all

    def any_online(self) -> bool:
        """Whether any server can take a job now."""
        return any(server.online for server in self.servers)

    def definitions(self) -> Definitions:
        """Return what the servers can do together: those that are online and have told us, else all that did."""
        told = [server for server in self.servers if server.definitions.nodes]
        online = [server for server in told if server.online]
        return self._together(server.definitions for server in online or told)

    def _together(self, several: Iterable[Definitions]) -> Definitions:
        """Merge, unless the parts are the very ones of the last time: this is asked at each keystroke."""
        parts = tuple(several)
        if len(parts) != len(self._parts) or any(new is not old for new, old in zip(parts, self._parts, strict=True)):
            self._parts, self._merged = parts, Definitions.merged(parts)
        return self._merged


async def _object_info(server: ComfyServer) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(TELL_LIMIT):
            return await server.client.object_info()
    except (TimeoutError, BotError):
        return {}


def _client_id(instance: str, url: str) -> str:
    """Return the same id for the same installation and server; none for an installation without a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{instance} {Address.parse(url).root}")) if instance else ""
