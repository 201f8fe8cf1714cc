"""Finds the workflow and the option that a manager typed. All functions raise `InputError`."""

from bot.errors import InputError
from bot.i18n import _
from bot.policy.guild_workflows import Value
from bot.workflow.library.library import Library, LibraryEntry
from bot.workflow.text_format import joined, nearest, shown
from bot.workflow.workflow import Workflow


def find_entry(library: Library, name: str) -> LibraryEntry:
    entries = {entry.name.casefold(): entry for entry in library.entries()}
    entry = entries.get(name.strip().removeprefix("/").casefold())
    if entry is None:
        raise _unknown(name, [entry.name for entry in entries.values()])
    return entry


def find_workflow(library: Library, name: str) -> Workflow:
    entry = find_entry(library, name)
    if entry.workflow is None:
        raise InputError(
            _("/{name} is broken and disabled: {reasons}", name=entry.name, reasons=joined(entry.problems, 3))
        )
    return entry.workflow


def find_option(workflow: Workflow, name: str) -> str:
    names = settable_options(workflow)
    if name.strip() not in names:
        raise _unknown(name, names)
    return name.strip()


def settable_options(workflow: Workflow) -> list[str]:
    """Return the options that can have a default; files cannot."""
    return [name for name, option in workflow.manifest.ordered_options() if not option.is_file]


def parse_default(workflow: Workflow, name: str, typed: str) -> Value:
    """Return the value as it is stored."""
    option = workflow.manifest.options[name]
    value = option.reported(option.parse(name, typed))
    return value if isinstance(value, Value) else str(value)


def _unknown(name: str, names: list[str]) -> InputError:
    guess = nearest(name, names)
    if guess is not None:
        return InputError(_("There's no “{name}”. Did you mean “{guess}”?", name=shown(name), guess=guess))
    return InputError(_("There's no “{name}”. Please pick one from the list.", name=shown(name)))
