"""`/run`: any workflow, including those without a slash command of their own."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.runs import Runs

Text = app_commands.Range[str, 1, 6000]
Name = app_commands.Range[str, 1, 100]


class RunCommand(commands.Cog):
    def __init__(self, *, runs: Runs) -> None:
        self._runs = runs

    @app_commands.command(name="run", description="Run any workflow (a form asks for the rest)")
    @app_commands.describe(
        workflow="Workflow name – start typing to search",
        prompt="Prompt, for workflows that take text",
        image="Image or other file, for workflows that take one",
        advanced="Review all options in a form first",
    )
    async def run(
        self,
        interaction: discord.Interaction,
        workflow: Name,
        prompt: Text | None = None,
        image: discord.Attachment | None = None,
        advanced: bool = False,
    ) -> None:
        await self._runs.run(interaction, workflow, prompt=prompt, file=image, advanced=advanced)

    @run.autocomplete("workflow")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return self._runs.suggest(typed)
