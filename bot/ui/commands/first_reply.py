"""The first response to a command, which becomes the job's message, and where that message is."""

import discord

from bot.clock import Clock
from bot.jobs.job import MessageLocation, Requester
from bot.ui.page import SILENT, Page, layout

ALREADY_ANSWERED = 40060
TOKEN_LIFETIME = 900.0
"""Seconds for which an interaction's token is valid."""


class FirstReply:
    """Answers one interaction once; everything later is an edit of that answer."""

    def __init__(self, interaction: discord.Interaction, *, clock: Clock) -> None:
        self._interaction = interaction
        self._token_expires = clock.now() + TOKEN_LIFETIME - _age(interaction, clock)
        self._location: MessageLocation | None = None

    @property
    def location(self) -> MessageLocation | None:
        """Where the message is; None until it is sent."""
        return self._location

    @property
    def requester(self) -> Requester:
        """The requester; everyone in the channel reads the message, so the guild's language comes first."""
        user = self._interaction.user
        locale = self._interaction.guild_locale or self._interaction.locale
        return Requester(user_id=user.id, name=user.display_name, locale=locale.value)

    def draft(self) -> MessageLocation:
        """Return the location before the answer, still without a message id."""
        return self._location_of(0, can_edit=True)

    async def open(self, page: Page) -> MessageLocation:
        """Answer the command with `page` unless it was answered; return where the message is."""
        if self._location is None:
            self._location = await self._answer(page)
        return self._location

    async def _answer(self, page: Page) -> MessageLocation:
        try:
            response = await self._interaction.response.send_message(view=layout(page), allowed_mentions=SILENT)
        except Exception as error:
            if isinstance(error, discord.HTTPException) and error.code != ALREADY_ANSWERED:
                raise
            # The connection was lost, but Discord may have received the answer
            message = await self._interaction.original_response()
            return self._location_of(message.id, can_edit=not message.flags.ephemeral)
        resource = response.resource
        ephemeral = isinstance(resource, discord.InteractionMessage) and resource.flags.ephemeral
        message_id = response.message_id or 0
        return self._location_of(message_id, can_edit=bool(message_id) and not ephemeral)

    def _location_of(self, message_id: int, *, can_edit: bool) -> MessageLocation:
        interaction = self._interaction
        in_our_guild = (
            interaction.guild_id is not None and interaction.client.get_guild(interaction.guild_id) is not None
        )
        in_our_dm = isinstance(interaction.channel, discord.DMChannel) and not interaction.is_user_integration()
        return MessageLocation(
            interaction_id=interaction.id,
            application_id=interaction.application_id,
            token=interaction.token,
            token_expires=self._token_expires,
            channel_id=interaction.channel_id or 0,
            message_id=message_id,
            guild_id=interaction.guild_id,
            bot_can_edit=can_edit and (in_our_guild or in_our_dm),
            upload_limit=interaction.filesize_limit,
        )


def _age(interaction: discord.Interaction, clock: Clock) -> float:
    """Return the seconds since Discord created the interaction; 0 if its id yields no plausible time."""
    age = clock.now() - interaction.created_at.timestamp()
    return age if 0.0 <= age < TOKEN_LIFETIME else 0.0
