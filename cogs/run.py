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
from bot.ui.replies import MAX_CHOICE
from bot.workflow.ranking import Index
from bot.workflow.workflow import Workflow

Name = app_commands.Range[str, 1, 100]
Text = app_commands.Range[str, 1, 6000]


class RunCommand(commands.Cog):
    def __init__(
        self, *, lookup: WorkflowLookup, submitter: JobSubmitter, forms: Forms, autocompleter: Autocompleter
    ) -> None:
        self._lookup = lookup
        self._submitter = submitter
        self._forms = forms
        self._autocompleter = autocompleter

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
        found = self._lookup.resolve(workflow)
        given = _given(found, prompt, image)
        options = dict(found.manifest.ordered_options())
        missing = [name for name, option in options.items() if option.required and name not in given]
        others = [name for name in options if name not in missing and name not in given]
        if advanced:
            await self._forms.open(interaction, found, given, [*missing, *others])
        elif missing:
            await self._forms.open(interaction, found, given, missing)
        else:
            await self._submitter.submit(interaction, found, given)

    @run.autocomplete("workflow")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return workflows that match by name, title or tag, the most used first."""
        labels = {_label(name, workflow): name for name, workflow in self._lookup.offered().items()}
        uses = {label: self._autocompleter.uses.get(name, 0) for label, name in labels.items()}
        matches = Index(labels).best(typed, uses)
        return [app_commands.Choice(name=cut(label, MAX_CHOICE), value=labels[label]) for label in matches]


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
