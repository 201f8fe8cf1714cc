"""The first answer to a command: opens the one message in which the job will live, and says where that message is."""

import discord

from bot.clock import Clock
from bot.jobs.job import Place, Requester
from bot.ui.layout import SILENT, layout
from bot.ui.page import Page

TOKEN_LIFETIME = 900.0
"""Seconds for which an interaction's token can edit."""


class Reply:
    """Answers one interaction, once; everything later is an edit of that answer."""

    def __init__(self, interaction: discord.Interaction, *, clock: Clock) -> None:
        self._interaction = interaction
        self._token_expires = clock.now() + TOKEN_LIFETIME
        self._place: Place | None = None

    @property
    def place(self) -> Place | None:
        """Where the message is; None until it is opened."""
        return self._place

    @property
    def guild_id(self) -> int | None:
        """Where it was asked; None in private."""
        return self._interaction.guild_id

    @property
    def requester(self) -> Requester:
        """Who asked. The message is for everybody in the channel, so the guild's language comes first."""
        user = self._interaction.user
        locale = self._interaction.guild_locale or self._interaction.locale
        return Requester(user_id=user.id, name=user.display_name, locale=locale.value)

    async def open(self, page: Page) -> Place:
        """Acknowledge the command with `page`, unless that was done; return where the message is."""
        if self._place is None:
            response = await self._interaction.response.send_message(view=layout(page), allowed_mentions=SILENT)
            self._place = self._find(response)
        return self._place

    def _find(self, response: discord.InteractionCallbackResponse[discord.Client]) -> Place:
        interaction = self._interaction
        message = response.resource
        ephemeral = isinstance(message, discord.InteractionMessage) and message.flags.ephemeral
        in_our_guild = (
            interaction.guild_id is not None and interaction.client.get_guild(interaction.guild_id) is not None
        )
        in_our_dm = isinstance(interaction.channel, discord.DMChannel) and not interaction.is_user_integration()
        return Place(
            interaction_id=interaction.id,
            application_id=interaction.application_id,
            token=interaction.token,
            token_expires=self._token_expires,
            channel_id=interaction.channel_id or 0,
            message_id=response.message_id or 0,
            guild_id=interaction.guild_id,
            bot_can_edit=bool(response.message_id) and not ephemeral and (in_our_guild or in_our_dm),
            upload_limit=interaction.filesize_limit,
        )
