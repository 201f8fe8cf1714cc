"""The command tree: one place answers every failed interaction.

Expected errors (`BotError`) show their own sentence. Anything else shows a short reference, and is logged with it.
"""

import logging
import secrets
from typing import Any

import discord
from discord import app_commands

from bot.errors import BotError
from bot.i18n import Message, _
from bot.ui.i18n import Languages
from bot.ui.layout import SILENT

log = logging.getLogger(__name__)

GONE = {10062, 40060, 50027, 10015, 10008}
"""Codes that say there is nobody left to answer."""


class Tree(app_commands.CommandTree[discord.Client]):
    """Answers errors of commands."""

    def __init__(self, client: discord.Client, *, languages: Languages) -> None:
        super().__init__(client, fallback_to_global=True)
        self._languages = languages

    async def on_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /) -> None:
        """Tell the member what went wrong, to nobody else."""
        await self.tell(interaction, error.original if isinstance(error, app_commands.CommandInvokeError) else error)

    async def tell(self, interaction: discord.Interaction[Any], error: Exception) -> None:
        """Answer an interaction with what went wrong; raises nothing."""
        text = self._languages.render(explain_error(error), interaction.locale.value)
        try:
            if interaction.response.is_done():
                await interaction.followup.send(text, ephemeral=True, allowed_mentions=SILENT)
            else:
                await interaction.response.send_message(text, ephemeral=True, allowed_mentions=SILENT)
        except discord.HTTPException as failure:
            if failure.code not in GONE:
                log.exception("an error could not be answered")
        except (OSError, TimeoutError) as failure:  # discord.py lets the faults of its HTTP library through
            log.warning("an error could not be answered: %r", failure)
        except Exception:
            log.exception("an error could not be answered")


def explain_error(error: Exception) -> Message:
    """Return the sentence for any error; an unexpected one is logged under the reference that the sentence names."""
    match error:
        case BotError(user_message=message):
            return message
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return _("This command has changed. Please wait a minute, reload Discord (Ctrl+R) and try again.")
        case app_commands.TransformerError():
            return _("{value} cannot be used here. Please pick from the list.", value=str(error.value)[:100])
        case discord.HTTPException(code=code) if code in GONE:
            log.warning("a command could not be answered: %s", error)
            return _("Discord did not take the answer in time. Please try again.")
        case app_commands.CheckFailure():
            return _("You may not use this command here.")
        case _:
            reference = secrets.token_hex(4)
            log.error("unexpected error %s", reference, exc_info=error)
            return _(
                "The bot made a mistake. Please try again; if it stays, tell a moderator the reference {reference}.",
                reference=reference,
            )
