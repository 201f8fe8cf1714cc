"""`/run`: finds the workflow by its typed name, and starts it or opens a form for missing options."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import InputError
from bot.i18n import _
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.form import Forms
from bot.ui.commands.lookup import WorkflowLookup
from bot.ui.commands.submit import JobSubmitter
from bot.ui.locale import cut
from bot.workflow.ranking import MOST, Index
from bot.workflow.workflow import Workflow

MAX_NAME = 100
"""Discord's limit for a suggestion."""


class Runs:
    def __init__(
        self, *, lookup: WorkflowLookup, submitter: JobSubmitter, forms: Forms, autocompleter: Autocompleter
    ) -> None:
        self._lookup = lookup
        self._submitter = submitter
        self._forms = forms
        self._autocompleter = autocompleter

    async def run(
        self,
        interaction: discord.Interaction,
        name: str,
        *,
        prompt: str | None,
        file: discord.Attachment | None,
        advanced: bool,
    ) -> None:
        workflow = self._lookup.resolve(name)
        given = _given(workflow, prompt, file)
        options = dict(workflow.manifest.ordered_options())
        lacking = [each for each, option in options.items() if option.required and each not in given]
        if not lacking and not advanced:
            await self._submitter.submit(interaction, workflow, given)
            return
        others = [each for each in options if each not in lacking and each not in given]
        is_enough = lacking and not advanced
        await self._forms.open(interaction, workflow, given, lacking if is_enough else [*lacking, *others])

    def suggest(self, typed: str) -> list[app_commands.Choice[str]]:
        """Return workflows that match by name, title or tag, the most used first."""
        offered = self._lookup.offered()
        labels = {_label(name, workflow): name for name, workflow in offered.items()}
        uses = {label: self._autocompleter.uses.get(name, 0) for label, name in labels.items()}
        found = Index(labels).best(typed, uses, MOST)
        return [app_commands.Choice(name=cut(label, MAX_NAME), value=labels[label]) for label in found]


def _given(workflow: Workflow, prompt: str | None, file: discord.Attachment | None) -> dict[str, object]:
    """Assign the text and the file to the first option that accepts each."""
    given: dict[str, object] = {}
    for name, option in workflow.manifest.ordered_options():
        if prompt is not None and option.kind == "text":
            given[name], prompt = prompt, None
        elif file is not None and option.is_file and option.masks is None:
            given[name], file = file, None
    if prompt is not None:
        raise InputError(_("/{name} has no text option. Please leave out **prompt**.", name=workflow.name))
    if file is not None:
        raise InputError(_("/{name} has no file option. Please leave out **image**.", name=workflow.name))
    return given


def _label(name: str, workflow: Workflow) -> str:
    tags = f" ({', '.join(workflow.manifest.tags)})" if workflow.manifest.tags else ""
    return f"{name} – {workflow.manifest.title}{tags}"


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
