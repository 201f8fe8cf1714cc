"""The command tree: answers every failed interaction.

Expected errors (`BotError`) show their own message. Anything else shows a short reference, and is logged with it.
"""

import logging
import secrets
from typing import Any

import discord
from discord import app_commands

from bot.errors import BotError
from bot.i18n import Message, _
from bot.ui.locale import Languages
from bot.ui.replies import GONE, reply_ephemeral

log = logging.getLogger(__name__)


class CommandTree(app_commands.CommandTree[discord.Client]):
    def __init__(self, client: discord.Client, *, languages: Languages) -> None:
        super().__init__(client, fallback_to_global=True)
        self._languages = languages

    async def on_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /) -> None:
        await self.reply_error(
            interaction, error.original if isinstance(error, app_commands.CommandInvokeError) else error
        )

    async def reply_error(self, interaction: discord.Interaction[Any], error: Exception) -> None:
        """Reply ephemerally with the error; raises nothing."""
        await reply_ephemeral(interaction, explain_error(error), self._languages)


def explain_error(error: Exception) -> Message:
    """Return the message for any error; an unexpected one is logged with the reference in its message."""
    match error:
        case BotError(user_message=message):
            return message
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return _(
                "This command has changed. Please wait a minute, reload Discord (Ctrl+R, or restart the mobile app) "
                "and try again."
            )
        case app_commands.TransformerError():
            return _("“{value}” isn't valid here. Please pick one from the list.", value=str(error.value)[:100])
        case discord.HTTPException(code=code) if code in GONE:
            log.warning("cannot answer a command: %s", error)
            return _("I couldn't answer in time. Please try again.")
        case app_commands.CheckFailure():
            return _("You don't have permission to use this command here.")
        case _:
            reference = secrets.token_hex(4)
            log.error("unexpected error %s", reference, exc_info=error)
            return _(
                "Something went wrong on our side. Please try again. "
                "If it keeps happening, give a moderator this reference: {reference}",
                reference=reference,
            )
