"""One slash command per workflow; with *advanced*, the form with all options opens first."""

import discord
from discord.ext import commands

from bot.ui.commands.builder import Given
from bot.ui.commands.form import Forms
from bot.ui.commands.registry import CommandRegistry
from bot.ui.commands.submit import JobSubmitter
from bot.workflow.manifest.manifest import ADVANCED
from bot.workflow.workflow import Workflow


class Generate(commands.Cog):
    """The workflow commands: `registrar` registers them, `run` is their callback."""

    def __init__(self, *, submitter: JobSubmitter, forms: Forms) -> None:
        self._submitter = submitter
        self._forms = forms
        self.registry: CommandRegistry | None = None

    async def run(self, interaction: discord.Interaction, workflow: Workflow, given: Given) -> None:
        asks_for_more = given.get(ADVANCED) is True and ADVANCED not in workflow.manifest.options
        given = {name: value for name, value in given.items() if name != ADVANCED or name in workflow.manifest.options}
        if asks_for_more:
            names = [name for name, _option in workflow.manifest.advanced_options()]
            await self._forms.open(interaction, workflow, given, names)
        else:
            await self._submitter.submit(interaction, workflow, given)
