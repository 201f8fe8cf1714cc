"""The button *Show result* under a message that only a fresh token can edit."""

import discord
from discord.ext import commands

from bot.ui.pressing import job_button
from bot.ui.render import SHOW_RESULT
from bot.ui.resume import ShowResult


class Results(commands.Cog):
    def __init__(self, *, bot: discord.Client, show: ShowResult) -> None:
        self._bot = bot
        self._button = job_button(SHOW_RESULT, show.press)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(self._button)
