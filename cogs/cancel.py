"""`/cancel`, and the button *Cancel* under a job's message, also after a restart."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.cancel import CancelJobs
from bot.ui.pressing import job_button
from bot.ui.render import CANCEL


class CancelCommand(commands.Cog):
    def __init__(self, *, bot: discord.Client, jobs: CancelJobs) -> None:
        self._bot = bot
        self._jobs = jobs
        self._button = job_button(CANCEL, jobs.press)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(self._button)

    @app_commands.command(name="cancel", description="Cancel one of your requests")
    @app_commands.describe(job="Which request (optional if you only have one)")
    async def cancel(self, interaction: discord.Interaction, job: str | None = None) -> None:
        await self._jobs.command(interaction, job)

    @cancel.autocomplete("job")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._jobs.suggest(interaction, typed)
