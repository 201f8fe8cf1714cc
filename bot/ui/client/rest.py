"""The Discord client of a process without a gateway: REST calls with the bot's token.

It receives no events, so it caches no guilds, channels or members; `bot.ui.messages.missing_permissions` fetches what
it needs.
"""

import asyncio
import logging

import discord
from discord.http import Route

from bot.ui.client.lifetime import Hook, Lifetime
from bot.ui.page import SILENT

log = logging.getLogger(__name__)


class RestClient(Lifetime):
    """The client of a process without a gateway."""

    def __init__(self, *, on_setup: Hook, on_close: Hook, api_url: str | None = None) -> None:
        """Use Discord's REST API at `api_url` (with its version) instead of Discord's own, for this whole process."""
        if api_url:
            Route.BASE = api_url.rstrip("/")
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        # There are no events, but discord.py warns about missing guild intents
        super().__init__(
            on_setup=on_setup,
            on_close=on_close,
            intents=discord.Intents(guilds=True),
            allowed_mentions=SILENT,
            max_messages=None,
        )
        self._ended = asyncio.Event()

    async def start(self, token: str, *, reconnect: bool = True) -> None:
        """Log in, and wait until `close` is called. Raises what `discord.Client.login` raises."""
        del reconnect  # there is no connection
        await self.login(token)
        log.info("logged in to Discord as %s, to deliver results", self.user)
        await self._ended.wait()

    async def close(self) -> None:
        """Close as `Lifetime` does, then let `start` return."""
        await super().close()
        self._ended.set()
