"""One ComfyUI server: combines its HTTP client, WebSocket and reconciler.

Implements `Backend` of `bot.jobs` structurally, without importing that package.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

from aiohttp import ClientSession

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.comfy.capabilities import CapabilityCache
from bot.comfy.client import ComfyClient
from bot.comfy.frames import Frame, PromptFrame
from bot.comfy.history import run_result
from bot.comfy.prompt_lookup import PromptLookup
from bot.comfy.queue_load import ForeignPrompts
from bot.comfy.reconciler import Reconciler
from bot.comfy.socket import WebSocketConnection
from bot.comfy.subscriptions import CHECK_NOW, PromptSubscriptions
from bot.comfy.timeouts import Timeouts
from bot.comfy.url import ServerUrl
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.manifest.manifest import IDLE_LIMIT
from bot.workflow.run.events import (
    Accepted,
    InputFile,
    OutputFile,
    OutputRef,
    PromptLocation,
    RunEvent,
    RunResult,
    ServerFaultError,
)
from bot.workflow.run.needs import Abilities

log = logging.getLogger(__name__)


class ComfyServer:
    """Runs graphs on one server. `start` it before use, `close` it after; an unreachable server is just offline.

    `on_change` is called when the server goes online or offline, `on_capabilities` when its capabilities change; both
    must return at once. The caller owns the sessions; graphs go through `posts` if given. `client_id` is used for the
    first WebSocket: that of the previous lease holder, so that events of its prompts arrive here (see
    `bot.comfy.socket`); empty for a new one.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        session: ClientSession,
        clock: Clock,
        random: Random,
        timeouts: Timeouts | None = None,
        on_change: Callable[[bool], None] | None = None,
        on_capabilities: "Callable[[ComfyServer], None] | None" = None,
        upload_folder: str = "",
        client_id: str = "",
        posts: ClientSession | None = None,
    ) -> None:
        timeouts, address = timeouts or Timeouts(), ServerUrl.parse(url)
        self._name = name
        self._key = str(address.root)
        self._clock = clock
        self._timeouts = timeouts
        self._on_change = on_change
        self._on_capabilities = on_capabilities
        self._online = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.client = ComfyClient(
            session=session,
            posts=posts,
            address=address,
            server=name,
            timeouts=timeouts,
            upload_folder=upload_folder,
        )
        self._subscriptions = PromptSubscriptions(clock=clock)
        self._socket = WebSocketConnection(
            session=session,
            address=address,
            server=name,
            timeouts=timeouts,
            clock=clock,
            random=random,
            on_frame=self._on_frame,
            on_online_changed=self._on_online_changed,
            client_id=client_id,
        )
        self._lookup = PromptLookup(client=self.client, clock=clock, second_check=timeouts.second_check)
        self._foreign = ForeignPrompts(
            client=self.client, subscriptions=self._subscriptions, clock=clock, timeouts=timeouts
        )
        self._reconciler = Reconciler(
            client=self.client,
            lookup=self._lookup,
            socket=self._socket,
            subscriptions=self._subscriptions,
            clock=clock,
            timeouts=timeouts,
            foreign=self._foreign,
        )
        self._capabilities = CapabilityCache(client=self.client, server=name, on_change=self._report_capabilities)

    # ------------------------------------------------------------------ lifecycle

    async def start(self) -> None:
        """Start connecting; returns at once. Does nothing if already started; can follow a `close`."""
        if self._tasks:
            return
        self._socket.begin()
        for work in (self._socket.run, self._reconciler.run, self._capabilities.run, self._refresh_capabilities):
            self._tasks.append(asyncio.create_task(self._keep_up(work), name=f"comfy {self._name}"))

    async def close(self) -> None:
        """Disconnect and wait until that is done. Prompts on the server continue."""
        await cancel_and_wait(*self._tasks)
        self._tasks.clear()
        if self.online:  # a reconnect was in progress
            self._on_online_changed(False)

    async def _keep_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run an endless task and restart it after a crash: jobs must end even if there is a bug."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("%s: a background task crashed and was restarted", self._name)
            await self._clock.sleep(self._timeouts.retry_first)

    async def _refresh_capabilities(self) -> None:
        while True:
            await self._clock.sleep(self._timeouts.definitions)
            await self.wait_online()
            self._capabilities.invalidate()

    def _on_online_changed(self, online: bool) -> None:
        if online:
            self._reconciler.recheck()
        else:
            self._foreign.forget()
        if online is self.online:  # a quick reconnect that nobody noticed
            return
        if online:
            self._online.set()
            self._capabilities.invalidate()
        else:
            self._online.clear()
        if self._on_change:
            self._on_change(online)

    def _report_capabilities(self) -> None:
        if self._on_capabilities:
            self._on_capabilities(self)

    def _on_frame(self, frame: Frame, connection: int) -> None:
        self._reconciler.on_frame(frame)
        if isinstance(frame, PromptFrame):
            self._subscriptions.dispatch(frame, connection)

    # ------------------------------------------------------------------ state

    @property
    def name(self) -> str:
        """A short name for messages and logs; never a URL."""
        return self._name

    @property
    def key(self) -> str:
        """Identifies the server across restarts: its URL without credentials. Not for members."""
        return self._key

    @property
    def online(self) -> bool:
        """Whether the shared WebSocket is connected."""
        return self._online.is_set()

    async def wait_online(self) -> None:
        await self._online.wait()

    @property
    def definitions(self) -> Definitions:
        """The node definitions, as last read; empty before that."""
        return self.abilities.definitions

    @property
    def abilities(self) -> Abilities:
        """Everything the server offers; without definitions before they are read."""
        return self._capabilities.abilities

    @property
    def foreign_prompts(self) -> int:
        """Known number of prompts by other clients in its queue, running or pending; 0 while offline."""
        return self._foreign.size if self.online else 0

    async def refresh_definitions(self) -> Definitions:
        return await self._capabilities.refresh()

    # ------------------------------------------------------------------ runs

    @asynccontextmanager
    async def subscribe(
        self, prompt_id: str, *, idle_limit: float = IDLE_LIMIT
    ) -> AsyncGenerator[AsyncIterator[RunEvent], None]:
        """Subscribe to the events of a prompt; enter before `submit`, so that no frame is missed.

        After half of `idle_limit` seconds of silence the socket is checked for deafness. For a prompt submitted before
        a restart, events follow once `locate` has found it.
        """
        with self._subscriptions.open(prompt_id, idle_limit=idle_limit) as subscription:
            yield subscription.channel

    async def submit(self, prompt_id: str, graph: JsonGraph) -> Accepted:
        """Queue a graph under our own prompt id, once.

        Raises `GraphRejectedError`; after `ServerOfflineError` the server may or may not have it: `locate` it.
        """
        connection, news = self._socket.connection, self._socket.news
        subscription = self._subscriptions.get(prompt_id)
        if subscription:
            subscription.posted = True
        accepted = await self.client.submit(prompt_id, graph, client_id=self._socket.client_id)
        if subscription and not subscription.known:
            subscription.confirm(connection, self._clock.monotonic())
        self._reconciler.expect_status(connection, news)
        return accepted

    async def locate(self, prompt_id: str) -> PromptLocation:
        """Return where a prompt is: in the queue, in the history, or (after a second check) nowhere."""
        location = (await self._lookup.locate([prompt_id]))[prompt_id]
        subscription = self._subscriptions.get(prompt_id)
        if subscription and location is not PromptLocation.UNKNOWN:
            subscription.on_location(location, self._clock.monotonic())
        return location

    def receives_events_for(self, prompt_id: str) -> bool:
        """Return whether events of a prompt can currently arrive: if not, silence means nothing."""
        subscription = self._subscriptions.get(prompt_id)
        return subscription is not None and self._reconciler.is_followed(subscription)

    async def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt, running or pending; never affects other prompts. Raises `ValueError` for an empty id."""
        await self.client.stop(prompt_id)
        subscription = self._subscriptions.get(prompt_id)
        if subscription:
            subscription.last_check = CHECK_NOW  # removing a pending prompt causes no event

    async def result(self, prompt_id: str) -> RunResult:
        """Read the outcome of a finished prompt from `/history`. Raises `ServerFaultError` when it is missing."""
        for pause in (*self._timeouts.history, None):
            entry = await self.client.history(prompt_id)
            if entry is not None:
                return run_result(entry, self._subscriptions.blocked(prompt_id))
            if pause is not None:
                await self._clock.sleep(pause)
        raise ServerFaultError(404, "not in the history")

    # ------------------------------------------------------------------ files

    async def upload(self, file: InputFile) -> str:
        """Store an input file on the server and return the name that graphs use for it."""
        return await self.client.upload(file)

    async def fetch(self, ref: OutputRef) -> OutputFile:
        """Download one output. Raises `ServerFaultError` when it is gone."""
        return OutputFile(ref, await self.client.fetch(ref))
