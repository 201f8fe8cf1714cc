"""The Discord client: an `AutoShardedBot` with minimal intents and caches, which owns only its cogs.

Everything else (servers, queue, messages) is built by `bot.app.app`, which starts and stops it through this client's
hooks.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import discord
import yarl
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.ui.client.error_handler import CommandTree
from bot.ui.client.lifetime import Hook, Lifetime
from bot.ui.locale import Languages
from bot.ui.page import SILENT

log = logging.getLogger(__name__)


class ComfycordBot(Lifetime, commands.AutoShardedBot):
    """The client of a process with a gateway."""

    def __init__(
        self,
        *,
        languages: Languages,
        on_setup: Hook,
        on_close: Hook,
        api_url: str | None = None,
        shard_ids: Sequence[int] = (),
        shard_count: int | None = None,
    ) -> None:
        """Use Discord's REST API at `api_url` (with its version) instead of Discord's own, for this whole process.

        This process serves `shard_ids` of `shard_count` shards; without them, all shards that Discord recommends.
        """
        if api_url:
            Route.BASE = api_url.rstrip("/")
        self._has_own_api = api_url is not None
        # Voice is never used: skip the warnings about missing voice libraries
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            on_setup=on_setup,
            on_close=on_close,
            command_prefix=commands.when_mentioned,
            tree_cls=cast("type[CommandTree]", partial(CommandTree, languages=languages)),
            intents=discord.Intents(guilds=True),
            allowed_mentions=SILENT,
            help_command=None,
            chunk_guilds_at_startup=False,
            max_messages=None,
            **_shards(shard_ids, shard_count),
        )

    async def setup_hook(self) -> None:
        if self._has_own_api:
            await self._set_gateway_url()
        await super().setup_hook()

    async def launch_shards(self) -> None:
        """Connect to the gateway; discord.py retries for ever."""
        await self._run_step(super().launch_shards())

    async def _set_gateway_url(self) -> None:
        """Ask for the gateway's address: for a session that cannot be resumed, discord.py dials a fixed one."""
        _shards, url, _limits = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)

    async def on_ready(self) -> None:
        shards = f", shards {', '.join(map(str, self.shard_ids))} of {self.shard_count}" if self.shard_ids else ""
        log.info("connected to Discord as %s (Discord servers: %d)%s", self.user, len(self.guilds), shards)


def _shards(ids: Sequence[int], count: int | None) -> dict[str, Any]:
    return {"shard_ids": list(ids), "shard_count": count} if ids else {}
