"""`/me`: a member's GPU usage, limits and waiting jobs; also in direct messages."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.i18n import _
from bot.ui.account import AccountService
from bot.ui.commands.requester import requester_of


class MeCommand(commands.Cog):
    def __init__(self, *, accounts: AccountService) -> None:
        self._accounts = accounts

    @app_commands.command(name="me", description="Your GPU usage, limits and waiting requests")
    async def me(self, interaction: discord.Interaction) -> None:
        await self._accounts.show(interaction, requester_of(interaction), _("Your usage and limits"))
