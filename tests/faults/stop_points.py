"""A bot in this process whose start is watched step by step, so that something can happen at any of them."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from bot.aio import cancel_and_wait
from bot.app import serve
from bot.app.app import App
from bot.app.process_role import ProcessConfig
from bot.settings import Settings
from bot.storage.engine.base import RetryingTasks

QUESTION = "RetryingTasks.run"
"""A step that asks the database something."""
SEAMS = (
    (ClientSession, "_request"),
    (ClientWebSocketResponse, "receive"),
    (RetryingTasks, "run"),
    (asyncio, "to_thread"),
)
"""Whatever takes its time while a bot starts; each call is a step, and so is its end."""
FRAME = {"bot", "close", "discord", "start", "stop", "sweeping"}
"""Tasks that live around the work."""
UNNAMED = ("Task-", "discord.py: ")
"""How tasks are called that are none of ours, or last for a moment."""

_watched: ContextVar["Start | None"] = ContextVar("watched", default=None)


@dataclass
class Start:
    """One start of a bot, and its end."""

    act: Callable[[], None]
    at: int | None = None
    """The step, counted from 0, at which `act` is called."""
    only: str = ""
    """How the names of steps that count begin."""
    steps: list[str] = field(default_factory=list[str])
    tasks: list[asyncio.Task[Any]] = field(default_factory=list[asyncio.Task[Any]])
    stale_positions: list[str] = field(default_factory=list[str])
    """What went wrong, in words."""
    closes: bool = False
    has_ended: bool = False
    error: BaseException | None = None
    """What `serve` raised."""

    def step(self, name: str) -> None:
        """Count a step."""
        if name.startswith(self.only):
            self.steps.append(name)
            if len(self.steps) - 1 == self.at:
                self.act()

    @property
    def is_past(self) -> bool:
        """Whether the step has come."""
        return self.at is not None and len(self.steps) > self.at

    def living(self) -> set[str]:
        """Return the names of tasks that work now."""
        return {task.get_name() for task in self.tasks if not task.done() and _services(task.get_name())}

    def note(self, task: asyncio.Task[Any], *, late: bool) -> None:
        """Take in that a task of ours has begun; late, only the worker pool may start any, and it ends them."""
        if _services(task.get_name()):
            if late and "workers" not in self.living():
                self.stale_positions.append(f"{task.get_name()} begins, and everything is to end")
            self.step(f"task {task.get_name()}")


def _services(name: str) -> bool:
    return name not in FRAME and not name.startswith(UNNAMED)


@contextmanager
def seams(patch: pytest.MonkeyPatch) -> Generator[None]:
    """Let every step of a watched bot count, and every session say when it is closed too early."""
    close, app_close, request = ClientSession.close, App._close, ClientSession._request

    async def watched_request(self: ClientSession, *call: Any, **options: Any) -> Any:
        if (start := _watched.get()) and self.closed:
            start.stale_positions.append(f"{call} in a closed session")
        return await request(self, *call, **options)

    async def watched_close(self: ClientSession) -> None:
        if (start := _watched.get()) and not self.closed and (living := start.living()):
            start.stale_positions.append(f"a session is closed under {living}")
        await close(self)

    async def watched_app_close(self: App) -> None:
        if start := _watched.get():
            start.closes = True
        await app_close(self)

    with patch.context() as patched:
        patched.setattr(serve, "freeze_startup_objects", nullcontext)  # a full collection takes longer than a start
        patched.setattr(ClientSession, "_request", watched_request)
        patched.setattr(ClientSession, "close", watched_close)
        patched.setattr(App, "_close", watched_app_close)
        for owner, name in SEAMS:
            patched.setattr(owner, name, _counted(getattr(owner, name)))
        yield


def _counted(call: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def counted(*arguments: Any, **options: Any) -> Any:
        start = _watched.get()
        if start:
            start.step(f"{call.__qualname__} {arguments[1:]}"[:120])
        result = await call(*arguments, **options)
        if start:
            start.step(f"end of {call.__qualname__}")
        return result

    counted.__qualname__ = call.__qualname__
    return counted


def _factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(coro, loop=loop, **options)
    if start := _watched.get():
        start.tasks.append(task)
        loop.call_soon(lambda late: start.note(task, late=late), start.closes)  # it has its name by then
    return task


@asynccontextmanager
async def watched(
    settings: Settings,
    part: ProcessConfig,
    caplog: pytest.LogCaptureFixture,
    *,
    at: int | None = None,
    act: Callable[[], None] | None = None,
    only: str = "",
) -> AsyncGenerator[Start]:
    """Let a bot start inside; at step `at` it is asked to stop, or `act` is done. At the end of the block it stops."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    start = Start(act or stop.set, at, only)
    loop.set_exception_handler(lambda _loop, context: start.stale_positions.append(repr(context)))
    loop.set_task_factory(_factory)
    caplog.clear()

    async def watch() -> None:
        _watched.set(start)
        try:
            await serve.serve(settings, stop, part)
        finally:
            start.has_ended = True

    serving = asyncio.create_task(watch(), name="bot")
    try:
        yield start
    finally:
        stop.set()
        began = time.monotonic()
        await asyncio.wait({serving}, timeout=20.0)
        if (seconds := time.monotonic() - began) > 3.0:
            start.stale_positions.append(f"it takes {seconds:.1f} s to end")
        await cancel_and_wait(serving)
        start.error = None if serving.cancelled() else serving.exception()
        start.stale_positions += [f"{name} is left" for name in start.living()]
        await cancel_and_wait(*start.tasks)  # as `asyncio.run` does: discord.py leaves some
        start.stale_positions += [
            f"{record.name} says {record.getMessage()}"
            for record in caplog.records
            if record.levelno >= logging.ERROR or record.exc_info
        ]
        loop.set_task_factory(None)
        loop.set_exception_handler(None)
