"""What `/run` does: finds the workflow that was meant, starts it when nothing is lacking, and asks for the rest."""

from collections.abc import Callable, Mapping

import discord
from discord import app_commands

from bot.errors import InputError
from bot.i18n import Message, _
from bot.ui.form import Forms
from bot.ui.i18n import cut
from bot.ui.ordering import Orders
from bot.ui.suggest import Suggester
from bot.workflow.library import Library
from bot.workflow.ranking import MOST, Index
from bot.workflow.wording import nearest, shown
from bot.workflow.workflow import Workflow

MAX_NAME = 100
"""Characters of a suggestion."""


class Runs:
    """Answers `/run`. `offered` returns what can be used now, `reason_off` why a sound workflow cannot."""

    def __init__(
        self,
        *,
        library: Library,
        offered: Callable[[], Mapping[str, Workflow]],
        reason_off: Callable[[Workflow], Message | None],
        orders: Orders,
        forms: Forms,
        suggester: Suggester,
    ) -> None:
        self._library = library
        self._offered = offered
        self._reason_off = reason_off
        self._orders = orders
        self._forms = forms
        self._suggester = suggester

    async def run(
        self,
        interaction: discord.Interaction,
        name: str,
        *,
        prompt: str | None,
        file: discord.Attachment | None,
        advanced: bool,
    ) -> None:
        """Start a workflow, or open its form."""
        workflow = self._meant(name)
        given = _given(workflow, prompt, file)
        options = dict(workflow.manifest.ordered_options())
        lacking = [each for each, option in options.items() if option.required and each not in given]
        if not lacking and not advanced:
            await self._orders.place(interaction, workflow, given)
            return
        others = [each for each in options if each not in lacking and each not in given]
        is_enough = lacking and not advanced
        await self._forms.open(interaction, workflow, given, lacking if is_enough else [*lacking, *others])

    def suggest(self, typed: str) -> list[app_commands.Choice[str]]:
        """Return the workflows that fit what is typed, by name, title or tag; the most used first."""
        offered = self._offered()
        labels = {_label(name, workflow): name for name, workflow in offered.items()}
        uses = {label: self._suggester.uses.get(name, 0) for label, name in labels.items()}
        found = Index(labels).best(typed, uses, MOST)
        return [app_commands.Choice(name=cut(label, MAX_NAME), value=labels[label]) for label in found]

    def _meant(self, typed: str) -> Workflow:
        name = typed.strip().removeprefix("/")
        workflow = self._library.get(name) or self._library.get(name.casefold())
        if workflow is not None:
            reason = self._reason_off(workflow)
            if reason is None:
                return workflow
            raise InputError(_("/{name} is switched off: {reason}", name=workflow.name, reason=reason))
        entry = next((entry for entry in self._library.entries() if entry.name == name), None)
        if entry is not None and entry.problems:
            raise InputError(
                _(
                    "/{name} cannot be used: its files have a mistake. The bot's owner finds it in `/workflow list`.",
                    name=entry.name,
                )
            )
        guess = Index(self._offered()).meant(name) or nearest(name, self._offered())
        if guess is not None:
            raise InputError(_("There is no workflow “{name}”. Did you mean “{guess}”?", name=shown(name), guess=guess))
        raise InputError(_("There is no workflow “{name}”. Please pick one from the list.", name=shown(name)))


def _given(workflow: Workflow, prompt: str | None, file: discord.Attachment | None) -> dict[str, object]:
    """Give the text to the first option that takes one, the file to the first that takes a file."""
    given: dict[str, object] = {}
    for name, option in workflow.manifest.ordered_options():
        if prompt is not None and option.kind == "text":
            given[name], prompt = prompt, None
        elif file is not None and option.is_file and option.masks is None:
            given[name], file = file, None
    if prompt is not None:
        raise InputError(_("/{name} takes no text. Please leave *prompt* empty.", name=workflow.name))
    if file is not None:
        raise InputError(_("/{name} takes no picture or file. Please leave *image* empty.", name=workflow.name))
    return given


def _label(name: str, workflow: Workflow) -> str:
    tags = f" ({', '.join(workflow.manifest.tags)})" if workflow.manifest.tags else ""
    return f"{name} – {workflow.manifest.title}{tags}"
