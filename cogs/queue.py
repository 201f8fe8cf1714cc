"""`/queue`: who is served, who waits, and about how long; for the one who looks only."""

from collections.abc import Awaitable, Callable

import discord
from discord import app_commands
from discord.ext import commands

from bot.jobs.survey import Survey
from bot.ui.answers import in_time, show
from bot.ui.queuepage import QueuePage, Reader

LOOK_LIMIT = 2.0
"""Seconds for looking: Discord waits three for the answer."""


class QueueCommand(commands.Cog):
    """The command."""

    def __init__(self, *, survey: Callable[[], Awaitable[Survey]], page: QueuePage) -> None:
        self._survey = survey
        self._page = page

    @app_commands.command(name="queue", description="Who is served, who waits, and about how long")
    async def queue(self, interaction: discord.Interaction) -> None:
        """Show the line."""
        async with in_time(LOOK_LIMIT):
            survey = await self._survey()
        reader = Reader(interaction.user.id, interaction.guild_id, interaction.locale.value)
        await show(interaction, self._page.view(survey, reader))
