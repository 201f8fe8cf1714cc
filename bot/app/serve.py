"""Runs a bot process: from its workflows, resources and login to Discord until it is stopped."""

import asyncio
import logging
from pathlib import Path

import aiohttp
import discord

from bot.aio import cancel_and_wait
from bot.app.app import App, load_library
from bot.app.gc_tuning import collect_when_idle, freeze_startup_objects
from bot.app.process_role import ProcessConfig
from bot.app.resources import open_resources
from bot.clock import SystemClock
from bot.errors import StartupError
from bot.i18n import _
from bot.settings import ENV_FILE, Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, stop: asyncio.Event, config: ProcessConfig) -> None:
    """Run a bot process until `stop` is set, even while it starts. Raises `StartupError` if it can't start."""
    working = asyncio.create_task(_serve(settings, config), name="bot")
    waiting = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(waiting, working)
    if not working.cancelled():
        working.result()


async def _serve(settings: Settings, config: ProcessConfig) -> None:
    if settings.discord_token is None or not settings.discord_token.get_secret_value().strip():
        raise _no_token(ENV_FILE)
    library = await asyncio.to_thread(load_library, settings.workflows_dir)
    for problem in library.problems:
        log.warning("%s: %s", problem.file, problem.message)
    if not library.workflows and config.has_gateway:
        log.warning("no workflows found in %s: the bot starts without commands", settings.workflows_dir)
    async with open_resources(settings, config.role) as resources:
        app = App(settings, library, resources, config=config)
        with freeze_startup_objects():
            sweeping = asyncio.create_task(collect_when_idle(app.is_quiet, SystemClock()), name="sweeping")
            try:
                await _work(app, settings.discord_token.get_secret_value())
            finally:
                await cancel_and_wait(sweeping)


def _no_token(file: Path) -> StartupError:
    found = _("which does not set it") if file.is_file() else _("which does not exist")
    return StartupError(
        _("DISCORD_TOKEN is not set. Looked in the environment and in {file}, {found}. Get the token at "
          "https://discord.com/developers/applications (Bot → Reset Token).", file=str(file.absolute()), found=found)
    )  # fmt: skip


async def _work(app: App, token: str) -> None:
    """Stay connected or logged in until cancelled, or until the login fails."""
    connection = asyncio.create_task(_connect(app, token), name="discord")
    try:
        await asyncio.wait({connection})
    finally:
        await app.client.close()
        await cancel_and_wait(connection)
    connection.result()


async def _connect(app: App, token: str) -> None:
    try:
        await app.client.start(token)
    except (discord.LoginFailure, discord.ConnectionClosed) as error:
        raise StartupError(
            _("Discord rejected DISCORD_TOKEN. Reset the token and copy it again: "
              "https://discord.com/developers/applications (Bot → Reset Token).")
        ) from error  # fmt: skip
    except (OSError, aiohttp.ClientError, discord.HTTPException, discord.GatewayNotFound) as error:
        log.debug("can't reach Discord", exc_info=error)
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise StartupError(
            _("Can't reach Discord: {reason}. Check the network and DISCORD_API_URL, then start again.", reason=reason)
        ) from error
