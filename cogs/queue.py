"""`/queue`: the queue with estimated waiting times, in a private answer."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.jobs.scheduling.queue_view import QueueView
from bot.ui.pages.queue import QueuePage, Reader
from bot.ui.replies import ANSWER_TIMEOUT, in_time, reply_view


class QueueCommand(commands.Cog):
    def __init__(self, *, queue_view: QueueView, page: QueuePage) -> None:
        self._queue_view = queue_view
        self._page = page

    @app_commands.command(name="queue", description="See the queue and estimated waiting times")
    async def queue(self, interaction: discord.Interaction) -> None:
        async with in_time(ANSWER_TIMEOUT):
            status = await self._queue_view.status()
        reader = Reader(interaction.user.id, interaction.guild_id, interaction.locale.value)
        await reply_view(interaction, self._page.view(status, reader))
