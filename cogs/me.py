"""`/me`: what somebody has used of the GPUs, what they may still use, and what of theirs waits; also in private."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.members import Members


class MeCommand(commands.Cog):
    """The command."""

    def __init__(self, *, members: Members) -> None:
        self._members = members

    @app_commands.command(
        name="me", description="What you have used of the GPUs, what is left, and what of yours waits"
    )
    async def me(self, interaction: discord.Interaction) -> None:
        """Show the account of whoever asks."""
        await self._members.me(interaction)
