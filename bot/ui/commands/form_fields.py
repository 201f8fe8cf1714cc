"""Form fields: one for each option.

Discord has no field for numbers, so they are typed as text and read by `bot.workflow.run.prepare`. Lists longer than
Discord's menus are typed, too; part of a name is enough.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.i18n import Message, _
from bot.ui.commands.attachments import KeptFile
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.locale import cut
from bot.workflow.manifest.manifest import PRESET
from bot.workflow.manifest.options import Option
from bot.workflow.text_format import tidy
from bot.workflow.workflow import Workflow

MAX_LABEL, MAX_DESCRIPTION, MAX_TEXT, MAX_PLACEHOLDER, MAX_ENTRIES = 45, 100, 4000, 100, 25
"""Discord's limits for the parts of a modal."""
YES, NO = "yes", "no"

Render = Callable[[Message], str]
"""Renders a sentence for the one who fills the form in."""
Component = discord.ui.TextInput[Any] | discord.ui.Select[Any] | discord.ui.FileUpload[Any]


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: discord.ui.Label[Any]
    component: Component
    values_by_entry: Mapping[str, object] = field(default_factory=dict[str, object])
    """Menu entry → value, where the value is not the entry's text."""

    def answer(self) -> object:
        """Return the submitted value; None if the field was left empty."""
        component = self.component
        if isinstance(component, discord.ui.TextInput):
            return component.value or None
        if not component.values:
            return None
        first = component.values[0]
        return self.values_by_entry.get(first, first) if isinstance(first, str) else first


def form_field(workflow: Workflow, name: str, given: object, autocompleter: Autocompleter, render: Render) -> Field:
    """Return the field for an option, with the earlier value filled in."""
    if name == PRESET and name not in workflow.manifest.options:
        titles = [preset.title for preset in workflow.manifest.presets.values()]
        description = render(_("Preset (your own values override it)"))
        return _field(name, description, _menu(name, titles, given, is_required=False))
    option = workflow.manifest.options[name]
    component = _component(workflow, name, option, given, autocompleter, render)
    values_by_entry: Mapping[str, object] = {YES: True, NO: False} if option.kind == "boolean" else {}
    return _field(name, _description(option), component, values_by_entry)


def file_menu(workflow: Workflow, name: str, files: Sequence[KeptFile], given: object) -> Field:
    """Return a menu of these files, as many as a menu holds, for a file option."""
    option = workflow.manifest.options[name]
    menu = discord.ui.Select[Any](custom_id=name, min_values=1, max_values=1, required=True)
    values_by_entry = {str(number): file for number, file in enumerate(files[:MAX_ENTRIES], start=1)}
    for number, file in values_by_entry.items():
        menu.add_option(label=cut(f"{number}. {file.filename}", MAX_DESCRIPTION), value=number, default=file == given)
    return _field(name, _description(option), menu, values_by_entry)


def _field(
    name: str, description: str, component: Component, values_by_entry: Mapping[str, object] | None = None
) -> Field:
    label = discord.ui.Label[Any](
        text=cut(name, MAX_LABEL), description=cut(description, MAX_DESCRIPTION), component=component
    )
    return Field(name, label, component, values_by_entry or {})


def _description(option: Option) -> str:
    limits = ""
    if option.minimum is not None and option.maximum is not None:
        limits = f" ({tidy(option.minimum)} – {tidy(option.maximum)})"
    return f"{option.description[: MAX_DESCRIPTION - len(limits)]}{limits}"


def _component(
    workflow: Workflow, name: str, option: Option, given: object, autocompleter: Autocompleter, render: Render
) -> Component:
    is_required = option.required
    if option.is_file:
        has_file = given is not None  # an earlier attachment is kept
        return discord.ui.FileUpload[Any](
            custom_id=name, required=is_required and not has_file, min_values=0 if has_file or not is_required else 1
        )
    if option.kind == "boolean":
        return _switch(name, given, render)
    entries = [choice.label for choice in option.choices] if option.kind == "choice" else []
    if option.source is not None and option.kind != "loras":
        entries = autocompleter.index(option).best("", most=MAX_ENTRIES + 1)
    if 0 < len(entries) <= MAX_ENTRIES and all(len(entry) <= MAX_DESCRIPTION for entry in entries):
        return _menu(name, entries, given, is_required=is_required)
    return _text_input(workflow, name, option, given, render)


def _switch(name: str, given: object, render: Render) -> discord.ui.Select[Any]:
    menu = discord.ui.Select[Any](custom_id=name, min_values=0, max_values=1, required=False)
    menu.add_option(label=render(_("Yes")), value=YES, default=given is True)
    menu.add_option(label=render(_("No")), value=NO, default=given is False)
    return menu


def _menu(name: str, entries: list[str], given: object, *, is_required: bool) -> discord.ui.Select[Any]:
    menu = discord.ui.Select[Any](
        custom_id=name, min_values=1 if is_required else 0, max_values=1, required=is_required
    )
    for entry in entries:
        menu.add_option(label=entry, value=entry, default=entry == given)
    return menu


def _text_input(
    workflow: Workflow, name: str, option: Option, given: object, render: Render
) -> discord.ui.TextInput[Any]:
    unsaid = workflow.unsaid_value(name) if name in workflow.bindings else None
    hint = "" if unsaid is None else str(option.reported(unsaid))
    if option.source is not None and not hint:
        hint = render(_("Part of the name is enough"))
    most = min(option.max_length or MAX_TEXT, MAX_TEXT)
    is_long = option.kind == "text"
    return discord.ui.TextInput[Any](
        custom_id=name,
        style=discord.TextStyle.paragraph if is_long else discord.TextStyle.short,
        required=option.required,
        default=None if given is None else str(given)[:most],
        placeholder=cut(hint, MAX_PLACEHOLDER) or None,
        max_length=most if is_long or option.max_length else 200,
    )
