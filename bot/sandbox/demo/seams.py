"""All private names of simcord (and two of discord.py) that the demo and the tests use, each with its reason.

simcord is made for instant tests: time stands still, it waits for everything the bot does, and its page updates only
after a click. The demo, and tests of a bot with long-lived workers, need the opposite.
The version is pinned (`extra.SIMCORD`), because private names can change at any time.

Objects of simcord are `Any` in this file only, since its private names have no useful types.
"""

import asyncio
import contextvars
import importlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import discord
from discord.webhook.async_ import async_context

from bot.sandbox.demo.clock import AdjustableClock, real_monotonic

T = TypeVar("T")

MEDIA_BUDGET = 1024 * 1024 * 1024
"""Bytes of all images on open pages."""
DISCORD_PY = str(Path(discord.__file__).parent)


class _BackendClock:
    """The clock of simcord's backend, driven by ours."""

    def __init__(self, clock: AdjustableClock) -> None:
        self._clock = clock

    @property
    def elapsed(self) -> float:
        """What `time.monotonic()` and `loop.time()` return to handlers: real time, as everywhere else."""
        return real_monotonic()

    def now(self) -> datetime:
        """The time for new messages and for expiry."""
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def advance(self, seconds: float) -> None:
        """Called by simcord to move time; does nothing, since time passes anyway."""


def run_clock(env: Any, clock: AdjustableClock) -> None:
    """Let time pass: simcord's own stands still at 2026-01-01, so a throttle in a handler would never open.

    `Backend.clock` is private. Call before `Env.start`.
    """
    env.backend.clock = _BackendClock(clock)


def name_bot(env: Any, name: str) -> None:
    """Replace the name "TestBot". `Backend.bot_user` is private."""
    env.backend.bot_user.name = name


def collect_errors(env: Any, collect: Callable[[BaseException], None]) -> None:
    """Redirect the errors of the bot that simcord records.

    It would count errors that the bot handles, and show "Action outcome uncertain" on the page or fail the test.
    All its recorders call `Env._record_error`. Call before `Env.start`.
    """
    env._record_error = collect


def free_bot_work(env: Any, bot: Any) -> None:
    """Let simcord wait for discord.py's handlers only, not for tasks that the bot starts itself.

    An action in simcord ends when *all* of the bot's work is idle, and fails after 5 s; but a sleeping progress editor,
    an open websocket or a keep-alive timer of aiohttp is never idle. So the bot's own tasks start outside simcord's
    scope (`Env._context_for_scope` makes such a context) and timers are the loop's own again (`Env._runtime` keeps
    them). Both happen in `setup_hook`: after simcord patched the loop, before anything runs.
    """
    original = bot.setup_hook

    async def setup_hook() -> None:
        _accept_nsfw(bot)
        loop: Any = asyncio.get_running_loop()
        tracking = loop.create_task

        def create_task(coro: Coroutine[Any, Any, T], **options: Any) -> asyncio.Task[T]:
            if _is_of_discord(coro):
                return tracking(coro, **options)
            context = env._context_for_scope(options.pop("context", None) or contextvars.copy_context(), None)
            return context.run(env._runtime.create_task, coro, **options)

        loop.create_task = create_task
        loop.call_later, loop.call_at = env._runtime.call_later, env._runtime.call_at
        await create_task(original())

    bot.setup_hook = setup_hook


def _is_of_discord(coro: object) -> bool:
    code = getattr(coro, "cr_code", None)
    return code is not None and code.co_filename.startswith(DISCORD_PY)


def route_webhooks(env: Any) -> Callable[[], None]:
    """Route webhook requests (by interaction token) of all tasks to the simulated Discord; returns the undo.

    simcord sets discord.py's adapter only in the context of a handler; other tasks have the default one, which would
    use the network. All helpers of an adapter call its `request`. simcord also compares quoted paths, so it does not
    recognize "@original" as discord.py writes it.
    """
    default: Any = contextvars.Context().run(async_context.get)
    adapter = env._webhook_adapter
    answer = adapter.request

    async def request(route: Any, session: Any, **options: Any) -> Any:
        route.url = route.url.replace("%40original", "@original")
        return await answer(route, session, **options)

    adapter.request = default.request = request

    def restore() -> None:
        del default.request

    return restore


def complete_interactions(env: Any, complete: Callable[[dict[str, Any]], None]) -> None:
    """Let `complete` add fields that simcord omits to each interaction, before the bot sees it.

    `Backend.subscribers` is private; they are called in order, so the first one can still change the payload.
    """

    def listen(event: str, payload: Mapping[str, Any]) -> None:
        if event == "INTERACTION_CREATE":
            complete(cast("dict[str, Any]", payload))

    env.backend.subscribers.insert(0, listen)


def _accept_nsfw(bot: Any) -> None:
    # simcord rejects age-restricted commands, and with them the whole start; `bot.http` belongs to this simulation
    http: Any = bot.http
    for name in ("bulk_upsert_global_commands", "bulk_upsert_guild_commands"):
        setattr(http, name, _without_nsfw(getattr(http, name)))


def _without_nsfw(upsert: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def stripped(*args: Any, payload: list[dict[str, Any]] | None = None) -> Any:
        *scope, commands_ = args if payload is None else (*args, payload)
        return await upsert(*scope, [{**command, "nsfw": False} for command in commands_])

    return stripped


# ------------------------------------------------------------------ the page


def serialise_actions(preview: Any, lock: asyncio.Lock) -> None:
    """Run the page's actions one at a time, each on the latest state.

    `Preview._action` rejects actions on an older revision ("stale-revision"), and a live page changes several times a
    second. It also fails while another action is running.
    """
    original = preview._action

    async def action(context_id: str | None, body: Any) -> Any:
        async with lock:
            if isinstance(body, dict) and "published_revision" in body:
                body["published_revision"] = preview._get_page(context_id).revision
            return await original(context_id, body)

    preview._action = action


class _DecodeHere:
    """Checks the page's images in a thread: simcord starts a Python process for each (`MediaWorker`), which takes
    longer than a preview lasts. They come from our own bot, and simcord's size limits still apply."""

    def __init__(self) -> None:
        media: Any = importlib.import_module("simcord.preview._media")
        self._process = media._process_media

    async def validate(self, _key: str, blob: bytes, *, media_time: float | None = None) -> Any:
        return await asyncio.to_thread(self._process, blob, media_time)

    def release(self, key: str) -> None:
        """Part of simcord's interface; nothing is cached."""

    async def close(self) -> None:
        """Part of simcord's interface; nothing is open."""


def decode_here(preview: Any) -> None:
    """Check images in a thread, and raise the budget of 128 MiB, which a few large ones would use up.

    `Preview._media_worker` is created lazily, so it can be set here.
    """
    preview._media_worker = _DecodeHere()
    preview._MAX_MEDIA_BYTES = MEDIA_BUDGET


def dress_page(preview: Any, dress: Callable[[str, str], str]) -> None:
    """Pass the page's own files through `dress(path, text)`, since its texts are meant for testers.

    `PreviewServer._static` serves its text and font files. Call before entering the preview.
    """
    server = preview._server
    original = server._static

    async def static(request: Any) -> Any:
        response = await original(request)
        if not response.content_type.startswith("font/"):
            response.text = dress(request.path, response.text)
        return response

    server._static = static
