"""`/run`: every workflow, also those that have no slash command of their own."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.runs import Runs

Text = app_commands.Range[str, 1, 6000]
Name = app_commands.Range[str, 1, 100]


class RunCommand(commands.Cog):
    """Hands wishes on."""

    def __init__(self, *, runs: Runs) -> None:
        self._runs = runs

    @app_commands.command(name="run", description="Run any workflow; what it needs besides is asked for in a form")
    @app_commands.describe(
        workflow="Which one; type a part of its name",
        prompt="What to paint, for workflows that take a text",
        image="A picture or file, for workflows that take one",
        advanced="Open the form with all options before it starts",
    )
    async def run(
        self,
        interaction: discord.Interaction,
        workflow: Name,
        prompt: Text | None = None,
        image: discord.Attachment | None = None,
        advanced: bool = False,
    ) -> None:
        """Run a workflow."""
        await self._runs.run(interaction, workflow, prompt=prompt, file=image, advanced=advanced)

    @run.autocomplete("workflow")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest workflows."""
        return self._runs.suggest(typed)
