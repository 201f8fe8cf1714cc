"""Which workflows can be used now: finds the one that a user typed, or explains why it is unavailable."""

from collections.abc import Callable, Collection, Mapping, Sequence

from bot.errors import InputError
from bot.i18n import Message, _
from bot.ui.commands.guild_rules import GuildRules
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.library import Library
from bot.workflow.ranking import Index
from bot.workflow.run.availability import unmet
from bot.workflow.text_format import nearest, shown
from bot.workflow.workflow import Workflow


class WorkflowLookup:
    """`servers` returns each ComfyUI server's definitions."""

    def __init__(self, *, library: Library, servers: Callable[[], Sequence[Definitions]], rules: GuildRules) -> None:
        self._library = library
        self._servers = servers
        self._rules = rules

    def offered(self, guild_id: int | None = None) -> Mapping[str, Workflow]:
        """Return the workflows available now, by slash command or `/run`; for a guild, without its `hidden_in`."""
        servers = self._servers()
        return {
            name: workflow
            for name, workflow in self._library.workflows.items()
            if unmet(workflow.manifest.requires, servers) is None
            and (guild_id is None or self._rules.is_offered_in(guild_id, name))
        }

    def hidden_in(self, guild_id: int) -> Collection[str]:
        """Return the names of workflows that a guild does not enable anywhere, as far as its rules are cached."""
        return [name for name in self._library.workflows if not self._rules.is_offered_in(guild_id, name)]

    def reason_off(self, workflow: Workflow) -> Message | None:
        """Return why a valid workflow is unavailable; None if it is available."""
        return unmet(workflow.manifest.requires, self._servers())

    def resolve(self, typed: str) -> Workflow:
        """Return the workflow of that name. Raises `InputError` with the reason, or with the nearest name."""
        name = typed.strip().removeprefix("/")
        workflow = self._library.get(name) or self._library.get(name.casefold())
        if workflow is not None:
            reason = self.reason_off(workflow)
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
