"""The stand-in server: it can be started, killed like a process, and restarted with empty memory."""

import asyncio
import random
import string
import tempfile
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from bot.sandbox.comfyui.app import build_app
from bot.sandbox.comfyui.definitions import NodeCatalog
from bot.sandbox.comfyui.execution.cache import NodeCache
from bot.sandbox.comfyui.execution.memory import ModelMemory
from bot.sandbox.comfyui.execution.queue import PromptQueue
from bot.sandbox.comfyui.execution.run import Workshop
from bot.sandbox.comfyui.execution.stopping import Stopper
from bot.sandbox.comfyui.execution.worker import Worker
from bot.sandbox.comfyui.files import Folders
from bot.sandbox.comfyui.routes.info import InfoRoutes
from bot.sandbox.comfyui.routes.jobs import JobRoutes
from bot.sandbox.comfyui.routes.prompts import PromptRoutes
from bot.sandbox.comfyui.routes.uploads import UploadRoutes
from bot.sandbox.comfyui.routes.view import ViewRoutes
from bot.sandbox.comfyui.sockets import Sockets
from bot.sandbox.comfyui.state import ServerState

_GRACE_SECONDS = 0.05
"""For requests still running at shutdown; aiohttp treats 0 as no limit."""


class StandIn:
    """A ComfyUI server in this process, on loopback. `state` sets its scenario and records what it received.

        async with StandIn() as server:
            ...  # server.url, server.state

    Files are in a temporary directory until `close`. Like a real server, a restarted one still has its input and
    output files, but no queue, history, cache or temp files.
    """

    def __init__(self, state: ServerState | None = None, *, host: str = "127.0.0.1") -> None:
        self.state = state or ServerState()
        self._host = host
        self._port = 0
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._life: _Life | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """URL without a trailing slash; known after the first `start` and stable from then on."""
        return f"http://{self._host}:{self._port}"

    @property
    def is_running(self) -> bool:
        return self._life is not None

    @property
    def directory(self) -> Path:
        """The folder with input, output and temp. Raises `RuntimeError` before the first `start`."""
        if self._directory is None:
            raise RuntimeError("the stand-in was never started")
        return Path(self._directory.name)

    async def start(self, port: int = 0) -> None:
        """Listen on the previous port, or on `port` at the first start (0 takes a free one)."""
        if self._life is not None:
            return
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="comfycord-standin-")
        life = _Life(self.state, self.directory)
        self._port = await life.begin(self._host, self._port or port)
        self._life = life

    async def kill(self) -> None:
        """Stop like a process after SIGKILL: connections break without a closing handshake."""
        life, self._life = self._life, None
        if life is not None:
            await life.end(abruptly=True)

    async def close(self) -> None:
        """Stop and remove all files."""
        life, self._life = self._life, None
        if life is not None:
            await life.end(abruptly=False)
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def post_as(self, graph: dict[str, Any], client_id: str | None = None) -> None:
        """Queue `graph` for another client, or anonymously. Raises `RuntimeError` when down."""
        if self._life is None:
            raise RuntimeError("the stand-in is down")
        self._life.prompts.submit({"prompt": graph, **({} if client_id is None else {"client_id": client_id})})


class _Life:
    """The state of one server process, gone when it ends."""

    def __init__(self, state: ServerState, directory: Path) -> None:
        folders = Folders(directory)
        folders.create()
        self._sockets = Sockets(state)
        self._queue = PromptQueue(changed=lambda: self._sockets.status(self._queue.remaining))
        suffix = "".join(random.choices(string.ascii_lowercase, k=5))
        workshop = Workshop(
            state=state,
            folders=folders,
            catalog=NodeCatalog(state, folders),
            queue=self._queue,
            stopper=Stopper(self._queue, state),
            cache=NodeCache(),
            memory=ModelMemory(state),
            temp_prefix=f"ComfyUI_temp_{suffix}",
        )
        self._worker = Worker(workshop, self._sockets)
        self.prompts = PromptRoutes(workshop, self._worker)
        subjects = (
            self.prompts,
            InfoRoutes(state, workshop.catalog),
            UploadRoutes(state, folders),
            ViewRoutes(folders),
            JobRoutes(workshop),
        )
        routes = [route for subject in subjects for route in subject.table()]
        app = build_app(state, routes, self._sockets.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, host: str, port: int) -> int:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self._tasks = [
            asyncio.create_task(self._worker.work(), name="stand-in worker"),
            asyncio.create_task(self._sockets.publish(), name="stand-in publisher"),
        ]
        return int(self._runner.addresses[0][1])

    async def end(self, *, abruptly: bool) -> None:
        """Stop everything; `abruptly` closes no connection properly."""
        for task in self._tasks:
            task.cancel()
        if abruptly:
            self._cut_connections()
        else:
            await self._sockets.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    def _cut_connections(self) -> None:
        for site in list(self._runner.sites):
            site_server = getattr(site, "_server", None)  # the public stop() waits for connections
            if isinstance(site_server, asyncio.Server):
                site_server.close()
        server = self._runner.server
        for connection in server.connections if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()
