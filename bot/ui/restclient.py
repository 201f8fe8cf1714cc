"""The Discord client of a process without a gateway: it only asks and posts, with the bot's token.

It hears of nothing, so it knows no servers, channels or members: whoever needs one asks for it (`bot.ui.permissions`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import discord
from discord.http import Route

from bot.ui.layout import SILENT

log = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]


class RestClient(discord.Client):
    """Comfycord on Discord's REST API alone. `on_setup` runs once after login, `on_close` once before it ends.

    It starts and ends like `bot.ui.client.ComfycordBot`.
    """

    def __init__(self, *, on_setup: Hook, on_close: Hook, api_url: str | None = None) -> None:
        """Use Discord's REST API at `api_url` (with its version) instead of Discord's own, for this whole process."""
        if api_url:
            Route.BASE = api_url.rstrip("/")
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        # Nothing is heard, but discord.py warns whoever does not ask for servers
        super().__init__(intents=discord.Intents(guilds=True), allowed_mentions=SILENT, max_messages=None)
        self._on_setup = on_setup
        self._on_close = on_close
        self._ended = asyncio.Event()
        self._is_down = False

    async def setup_hook(self) -> None:
        """Start what lives as long as this process."""
        await self._on_setup()

    async def start(self, token: str, *, reconnect: bool = True) -> None:
        """Log in, and return when `close` is called. Raises what `discord.Client.login` does."""
        del reconnect  # there is no connection
        await self.login(token)
        log.info("logged in to Discord as %s, to deliver results", self.user)
        await self._ended.wait()

    async def close(self) -> None:
        """Stop what was started, while messages can still be edited, then let go."""
        if not self._is_down:
            self._is_down = True
            await self._on_close()
        await super().close()
        self._ended.set()
