"""One slash command per workflow; with *advanced*, the form with all options opens first."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.builder import Given, build_command
from bot.ui.commands.form import Forms
from bot.ui.commands.submit import JobSubmitter
from bot.workflow.manifest.manifest import ADVANCED
from bot.workflow.workflow import Workflow


class Generate(commands.Cog):
    """The workflow commands. `CommandRegistry` adds and removes them while the bot runs."""

    def __init__(self, *, submitter: JobSubmitter, forms: Forms, autocompleter: Autocompleter) -> None:
        self._submitter = submitter
        self._forms = forms
        self._autocompleter = autocompleter

    def command(self, workflow: Workflow) -> app_commands.Command[Any, ..., Any]:
        return build_command(workflow, run=self._run, autocompleter=self._autocompleter)

    async def _run(self, interaction: discord.Interaction, workflow: Workflow, given: Given) -> None:
        values = dict(given)
        has_switch = ADVANCED not in workflow.manifest.options  # else it is an option of the workflow itself
        if has_switch and values.pop(ADVANCED, False):
            names = [name for name, _option in workflow.manifest.advanced_options()]
            await self._forms.open(interaction, workflow, values, names)
        else:
            await self._submitter.submit(interaction, workflow, values)
