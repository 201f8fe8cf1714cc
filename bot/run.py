"""Runs the real bot from start to orderly stop, and says in a sentence why it could not start."""

import asyncio
import logging

import aiohttp
import discord

from bot.app import App, load_library
from bot.clock import SystemClock
from bot.errors import StartupError
from bot.i18n import _
from bot.installation import opened
from bot.roles import Part
from bot.settings import Settings
from bot.sweeping import spared_collections, sweep

log = logging.getLogger(__name__)


async def serve(settings: Settings, stop: asyncio.Event, part: Part) -> None:
    """Do a part of the bot's work until `stop` is set. Raises `StartupError` when Discord does not let us in."""
    if settings.discord_token is None or not settings.discord_token.get_secret_value().strip():
        raise StartupError(
            _("DISCORD_TOKEN is missing. Put the token of your bot into .env (README.md says where to find it).")
        )
    library = await asyncio.to_thread(load_library, settings.workflows_dir)
    for problem in library.problems:
        log.warning("%s: %s", problem.file, problem.message)
    if not library.workflows and part.has_gateway:
        log.warning("there is no workflow in %s: the bot starts without commands", settings.workflows_dir)
    async with opened(settings, part.role) as installation:
        app = App(settings, library, installation, part=part)
        with spared_collections():
            sweeping = asyncio.create_task(sweep(app.is_quiet, SystemClock()), name="sweeping")
            try:
                await _work(app, settings.discord_token.get_secret_value(), stop)
            finally:
                sweeping.cancel()
                await asyncio.gather(sweeping, return_exceptions=True)


async def _work(app: App, token: str, stop: asyncio.Event) -> None:
    """Stay connected, or logged in, until `stop` is set or Discord does not let us in."""
    connection = asyncio.create_task(_connect(app, token), name="discord")
    waiting = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({connection, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await app.client.close()
    if stop.is_set():  # whatever the connection says now, it was asked to end
        await asyncio.gather(connection, return_exceptions=True)
    else:
        await connection


async def _connect(app: App, token: str) -> None:
    try:
        await app.client.start(token)
    except (discord.LoginFailure, discord.ConnectionClosed) as error:
        raise StartupError(_("Discord does not accept DISCORD_TOKEN. Copy it again from the Bot page.")) from error
    except (OSError, aiohttp.ClientError, discord.HTTPException, discord.GatewayNotFound) as error:
        log.debug("Discord cannot be reached", exc_info=error)
        raise StartupError(
            _("Discord cannot be reached. Check the network and DISCORD_API_URL, then start again.")
        ) from error
