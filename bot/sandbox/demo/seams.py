"""Every private name of simcord (and two of discord.py) that the demo and the tests touch, each with its reason.

simcord is made for tests that run in no time: time stands still, everything that the bot does is waited for, and its
page shows a new state only after a click. A demo wants the opposite, and so do tests of a bot with long-lived workers.
The version is pinned (`extra.SIMCORD`), because nothing in here is promised by anyone.

Objects of simcord are `Any` in this file only: its private names have no types that we could lean on.
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
"""Bytes of all pictures that open pages show."""
DISCORD_PY = str(Path(discord.__file__).parent)


class _BackendClock:
    """The clock that simcord's backend asks, driven by ours."""

    def __init__(self, clock: AdjustableClock) -> None:
        self._clock = clock

    @property
    def elapsed(self) -> float:
        """What `time.monotonic()` and `loop.time()` return to handlers: the same as to everybody else."""
        return real_monotonic()

    def now(self) -> datetime:
        """The instant of new messages, and of expiry."""
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def advance(self, seconds: float) -> None:
        """Called when simcord thinks that it moves time: it has passed anyway."""


def run_clock(env: Any, clock: AdjustableClock) -> None:
    """Let time pass. Of itself simcord's stands still from 2026-01-01 on, and a throttle in a handler never opens.

    `Backend.clock` is no public name. To be called before `Env.start`.
    """
    env.backend.clock = _BackendClock(clock)


def name_bot(env: Any, name: str) -> None:
    """Call the bot by a name other than "TestBot". `Backend.bot_user` is no public name."""
    env.backend.bot_user.name = name


def collect_errors(env: Any, collect: Callable[[BaseException], None]) -> None:
    """Take over what simcord records of the bot's failures.

    It would count errors that the bot answers, and show "Action outcome uncertain" on the page, or fail the test.
    `Env._record_error` is what every recorder calls. To be called before `Env.start`.
    """
    env._record_error = collect


def free_bot_work(env: Any, bot: Any) -> None:
    """Let simcord wait for discord.py's handlers only, not for tasks that the bot starts itself.

    An action in simcord ends when *all* work of the bot rests, and fails after 5 s. A progress editor that sleeps, a
    websocket that is read, a keep-alive timer of aiohttp: none of them ever rests. So the bot's own tasks are started
    outside simcord's scope (`Env._context_for_scope` makes such a context), and timers are the loop's own again
    (`Env._runtime` keeps them). The moment for both is `setup_hook`: after the loop was patched, before anything runs.
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


def waits_for(env: Any, task: asyncio.Task[Any] | None) -> bool:
    """Return whether simcord waits for `task`, and nobody has declared yet that it may not (`external_wait`)."""
    return task in env._work.tasks and task not in env._work.external_waits


def route_webhooks(env: Any) -> Callable[[], None]:
    """Send what goes by interaction token to the simulated Discord from every task. Returns the way back.

    simcord sets discord.py's adapter in the context of a handler; tasks that were started elsewhere have the default
    one, which would reach for the network. All helpers of an adapter end in its `request`. Also simcord compares the
    path before it is unquoted, so it does not know "@original" as discord.py writes it.
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
    """Let `complete` see the payload of each interaction before the bot does: simcord leaves some of it out.

    `Backend.subscribers` is no public name; it calls one after the other, so the first may still change the payload.
    """

    def listen(event: str, payload: Mapping[str, Any]) -> None:
        if event == "INTERACTION_CREATE":
            complete(cast("dict[str, Any]", payload))

    env.backend.subscribers.insert(0, listen)


def _accept_nsfw(bot: Any) -> None:
    # simcord refuses commands that are marked as age-restricted, and with them the whole start; `bot.http` is its own
    # from here on, and lives no longer than the simulation
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
    """Carry out the page's actions one after the other, on the state that is current when their turn comes.

    `Preview._action` refuses whatever was pressed on a state that is older than the newest ("stale-revision"), and a
    live page has a newer one several times a second. It also fails while anything else holds the simulation.
    """
    original = preview._action

    async def action(context_id: str | None, body: Any) -> Any:
        async with lock:
            if isinstance(body, dict) and "published_revision" in body:
                body["published_revision"] = preview._get_page(context_id).revision
            return await original(context_id, body)

    preview._action = action


class _DecodeHere:
    """Checks the pictures that the page shows in a thread; simcord starts a Python process for each (`MediaWorker`),
    which takes longer than a preview lives. They come from our own bot, and simcord's limits of size still hold."""

    def __init__(self) -> None:
        media: Any = importlib.import_module("simcord.preview._media")
        self._process = media._process_media

    async def validate(self, _key: str, blob: bytes, *, media_time: float | None = None) -> Any:
        return await asyncio.to_thread(self._process, blob, media_time)

    def release(self, key: str) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""


def decode_here(preview: Any) -> None:
    """Show pictures as soon as they are there, and not only the first few: 128 MiB are soon full of large ones.

    `Preview._media_worker` is made when it is first missed.
    """
    preview._media_worker = _DecodeHere()
    preview._MAX_MEDIA_BYTES = MEDIA_BUDGET


def dress_page(preview: Any, dress: Callable[[str, str], str]) -> None:
    """Pass the page's own files through `dress(path, text)`: the page speaks to testers, ours should not.

    `PreviewServer._static` answers with one of its text or font files. To be called before the preview is entered.
    """
    server = preview._server
    original = server._static

    async def static(request: Any) -> Any:
        response = await original(request)
        if not response.content_type.startswith("font/"):
            response.text = dress(request.path, response.text)
        return response

    server._static = static
