"""`/me`: a member's GPU usage, limits and waiting jobs; also in direct messages."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.account import AccountPages


class MeCommand(commands.Cog):
    def __init__(self, *, members: AccountPages) -> None:
        self._members = members

    @app_commands.command(name="me", description="Your GPU usage, limits and waiting requests")
    async def me(self, interaction: discord.Interaction) -> None:
        await self._members.me(interaction)
