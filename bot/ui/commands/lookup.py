"""Resolves the workflow name that a user typed, or explains why the workflow cannot be used."""

from collections.abc import Callable, Mapping

from bot.errors import InputError
from bot.i18n import Message, _
from bot.workflow.library.library import Library
from bot.workflow.ranking import Index
from bot.workflow.text_format import nearest, shown
from bot.workflow.workflow import Workflow


class WorkflowLookup:
    """`offered` returns the workflows available now, `reason_off` why a valid workflow is unavailable."""

    def __init__(
        self,
        *,
        library: Library,
        offered: Callable[[], Mapping[str, Workflow]],
        reason_off: Callable[[Workflow], Message | None],
    ) -> None:
        self._library = library
        self.offered = offered
        self._reason_off = reason_off

    def resolve(self, typed: str) -> Workflow:
        """Return the workflow of that name. Raises `InputError` with the reason, or with the nearest name."""
        name = typed.strip().removeprefix("/")
        workflow = self._library.get(name) or self._library.get(name.casefold())
        if workflow is not None:
            reason = self._reason_off(workflow)
            if reason is None:
                return workflow
            raise InputError(_("/{name} is disabled: {reason}", name=workflow.name, reason=reason))
        entry = next((entry for entry in self._library.entries() if entry.name == name), None)
        if entry is not None and entry.problems:
            raise InputError(
                _("/{name} is broken right now. The bot's owner can see why in `/workflow list`.", name=entry.name)
            )
        guess = Index(self.offered()).resolve(name) or nearest(name, self.offered())
        if guess is not None:
            raise InputError(_("There's no workflow “{name}”. Did you mean “{guess}”?", name=shown(name), guess=guess))
        raise InputError(_("There's no workflow “{name}”. Please pick one from the list.", name=shown(name)))
