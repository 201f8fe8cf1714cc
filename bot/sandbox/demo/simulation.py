"""A simulated Discord in memory that runs in real time: one bot, one guild, and members that act as people do.

Wraps simcord for the demo's page and the tests of the cogs. It knows nothing about images or jobs.
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
"""Seconds before a handler counts as stuck."""
UPLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes per file without Nitro or boosts."""
BOT_NAME = "Comfycord"


class SimulatedDiscord:
    """One guild with one bot. All actions of members go through `acting`, one at a time."""

    def __init__(
        self,
        *,
        clock: AdjustableClock | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        guild: str = "Comfycord demo",
    ) -> None:
        """`on_error` receives each exception of the bot that discord.py caught; by default they are logged."""
        self.clock = clock or AdjustableClock()
        self.turn = asyncio.Lock()
        """Held during an action: simcord refuses concurrent ones."""
        self.locales: dict[int, str] = {}
        """User id → Discord locale; English if missing."""
        self.user_installed = False
        """Whether the bot is installed by its user instead of the guild."""
        self._on_error = on_error or _log_error
        self._guild_name = guild
        self._env: simcord.Env | None = None

    @property
    def env(self) -> simcord.Env:
        """The simcord environment. Raises `RuntimeError` when not running."""
        if self._env is None:
            raise RuntimeError("the simulated Discord is not running")
        return self._env

    @property
    def guild(self) -> simcord.GuildHandle:
        return self.env.guild

    @asynccontextmanager
    async def running(self, bot: commands.AutoShardedBot) -> AsyncGenerator["SimulatedDiscord"]:
        """Log `bot` in; at exit it is closed while it can still edit its messages."""
        env = simcord.Env(
            bot,
            check_errors=False,  # `on_error` receives them
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
        return self.guild.create_text_channel(name, topic=topic)

    def member(
        self,
        name: str,
        *,
        permissions: discord.Permissions | None = None,
        locale: str | None = None,
        roles: Sequence[simcord.RoleHandle] = (),
    ) -> simcord.MemberActor:
        """Add a member, with a role of their own if `permissions` are given."""
        user = self.env.create_user(name)
        own = [self.guild.create_role(name, permissions=permissions)] if permissions else []
        if locale:
            self.locales[user.id] = locale
        return self.guild.add_member(user, roles=[*own, *roles])

    async def acting(self, action: Awaitable[T]) -> T:
        """Run a member's action; returns when the bot's handler has returned, not when its jobs are done."""
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
