"""A Discord in memory, with real time: one bot, one server, members that act as people do.

Stands on simcord and shows none of it: the demo's page and the tests of the cogs go through this module. It knows
nothing about pictures or jobs.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import discord
import simcord
from discord.ext import commands

from bot.sandbox.demo import seams
from bot.sandbox.demo.clock import AdjustableClock

log = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE_TIMEOUT = 15.0
"""Seconds that a handler may take before an action counts as stuck."""
UPLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes of one file, for those who pay nothing."""
BOT_NAME = "Comfycord"


class SimulatedDiscord:
    """One server with one bot. Everything that people do goes through `acting`, one action at a time."""

    def __init__(
        self,
        *,
        clock: AdjustableClock | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        guild: str = "Comfycord demo",
    ) -> None:
        """`on_error` is told of each exception of the bot that discord.py caught; without it they are logged."""
        self.clock = clock or AdjustableClock()
        self.turn = asyncio.Lock()
        """Held by whoever acts: simcord refuses a second actor while the first is not done."""
        self.locales: dict[int, str] = {}
        """User id → Discord locale, for those who do not read English."""
        self.user_installed = False
        """Whether the bot came with the member who uses it, and is not a member of the server."""
        self._on_error = on_error or _log_error
        self._guild_name = guild
        self._env: simcord.Env | None = None

    @property
    def env(self) -> simcord.Env:
        """The running simulation."""
        if self._env is None:
            raise RuntimeError("the simulated Discord is not running")
        return self._env

    @property
    def guild(self) -> simcord.GuildHandle:
        """The one server."""
        return self.env.guild

    async def park(self, awaitable: Awaitable[T]) -> T:
        """Await something from outside that may take any time, without an action of somebody waiting for it."""
        env = self._env
        if env is None or not seams.waits_for(env, asyncio.current_task()):
            return await awaitable
        return await env.external_wait(awaitable, reason="something outside Discord")

    @asynccontextmanager
    async def running(self, bot: commands.AutoShardedBot) -> AsyncGenerator["SimulatedDiscord"]:
        """Log `bot` in and let it live; it is closed at the end, while it can still edit its messages."""
        env = simcord.Env(
            bot,
            check_errors=False,  # `on_error` judges them
            shard_count=None if bot.shard_count else 1,
            settle_timeout=SETTLE_TIMEOUT,
        )
        seams.run_clock(env, self.clock)
        seams.name_bot(env, BOT_NAME)
        seams.collect_errors(env, self._on_error)
        seams.free_bot_work(env, bot)
        await _start(env, bot)
        async with AsyncExitStack() as ending:
            ending.push_async_callback(env.shutdown)
            ending.callback(seams.route_webhooks(env))
            ending.callback(self._forget)
            ending.push_async_callback(bot.close)  # simcord does not
            seams.complete_interactions(env, self._complete)
            env.create_guild(self._guild_name)
            self._env = env
            yield self

    def channel(self, name: str, *, topic: str | None = None) -> simcord.ChannelHandle:
        """Open a text channel."""
        return self.guild.create_text_channel(name, topic=topic)

    def member(
        self,
        name: str,
        *,
        permissions: discord.Permissions | None = None,
        locale: str | None = None,
        roles: Sequence[simcord.RoleHandle] = (),
    ) -> simcord.MemberActor:
        """Let somebody join, with a role of their own when they have more than everybody's permissions."""
        user = self.env.create_user(name)
        own = [self.guild.create_role(name, permissions=permissions)] if permissions else []
        if locale:
            self.locales[user.id] = locale
        return self.guild.add_member(user, roles=[*own, *roles])

    async def acting(self, action: Awaitable[T]) -> T:
        """Carry out what a member does; returns when the bot's handler has returned, not when its jobs are done."""
        async with self.turn:
            return await action

    def _forget(self) -> None:
        self._env = None

    def _complete(self, payload: dict[str, Any]) -> None:
        user_id = int((payload.get("member") or payload)["user"]["id"])
        guild_id = payload.get("guild_id")
        payload["locale"] = self.locales.get(user_id, payload["locale"])
        payload["attachment_size_limit"] = UPLOAD_LIMIT
        if self.user_installed:
            payload["authorizing_integration_owners"] = {"1": str(user_id)}
        else:
            payload["authorizing_integration_owners"] = {"0": guild_id or "0"}


async def _start(env: simcord.Env, bot: commands.AutoShardedBot) -> None:
    try:
        await env.start()
    except BaseException:
        await bot.close()
        raise


def _log_error(error: BaseException) -> None:
    log.debug("the bot answered an error", exc_info=error)
