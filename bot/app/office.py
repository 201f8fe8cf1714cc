"""Composition root: builds admission, and the commands of moderators, owners and members' accounts."""

from collections.abc import Collection, Sequence

from discord.ext import commands

from bot.app.resources import Resources
from bot.app.services import Services
from bot.clock import Clock
from bot.comfy.fleet import Fleet
from bot.comfy.url import check_server_url
from bot.policy.admission import Admission
from bot.policy.limits import Limits
from bot.ui.access_checks import AccessChecks
from bot.ui.account import AccountService
from bot.ui.audit_log import AuditLog
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.guild_rules import GuildRules
from bot.ui.commands.registry import CommandRegistry
from bot.ui.locale import Languages
from bot.workflow.library.library import Library
from cogs.me import MeCommand
from cogs.moderate import ModerateCommand
from cogs.server import ServerCommand
from cogs.workflow import WorkflowCommand
from cogs.workflow._add import AddWorkflow


class Office:
    """`admission` checks new jobs; managers of `home_guilds` may administer the whole bot."""

    def __init__(
        self,
        *,
        resources: Resources,
        services: Services,
        fleet: Fleet,
        library: Library,
        limits: Limits,
        home_guilds: Collection[int],
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._resources = resources
        self._services = services
        self._fleet = fleet
        self._library = library
        self._languages = languages
        self._clock = clock
        store, policies = resources.store, resources.policies
        self.admission = Admission(
            store=store, policies=policies, expect=services.queue.expect, clock=clock, limits=limits
        )
        self.house = GuildRules(rules=resources.workflow_rules, bus=resources.bus, limits=limits, clock=clock)
        self._access = AccessChecks(home_guilds=home_guilds, clock=clock)
        self._audit = AuditLog(store=store, clock=clock)

    def cogs(self, registry: CommandRegistry, autocompleter: Autocompleter) -> Sequence[commands.Cog]:
        accounts = AccountService(
            policies=self._resources.policies,
            admission=self.admission,
            queue_view=self._services.queue_view,
            languages=self._languages,
            clock=self._clock,
        )
        return (
            self._moderate(accounts),
            self._server(),
            MeCommand(accounts=accounts),
            self._workflow(registry, autocompleter),
        )

    def _workflow(self, registry: CommandRegistry, autocompleter: Autocompleter) -> WorkflowCommand:
        return WorkflowCommand(
            library=self._library,
            repository=self._resources.workflow_rules,
            guild_rules=self.house,
            reason_off=registry.reason_off,
            on_change=registry.wake,
            autocompleter=autocompleter,
            adding=self._adding(registry),
            audit=self._audit,
            access=self._access,
            languages=self._languages,
        )

    def _adding(self, registry: CommandRegistry) -> AddWorkflow:
        return AddWorkflow(
            library=self._library,
            object_infos=self._fleet.object_infos,
            on_change=registry.wake,
            audit=self._audit,
            access=self._access,
            languages=self._languages,
        )

    def _moderate(self, accounts: AccountService) -> ModerateCommand:
        return ModerateCommand(
            policies=self._resources.policies,
            admission=self.admission,
            accounts=accounts,
            audit=self._audit,
            bus=self._resources.bus,
            access=self._access,
            library=self._library,
            languages=self._languages,
            clock=self._clock,
        )

    def _server(self) -> ServerCommand:
        return ServerCommand(
            registry=self._resources.fleet,
            store=self._resources.store,
            queue_view=self._services.queue_view,
            key_of=_key_of,
            probe=self._fleet.probe,
            audit=self._audit,
            bus=self._resources.bus,
            access=self._access,
            languages=self._languages,
        )


def _key_of(url: str) -> str:
    """Return the `Backend.key` of a server from a URL that a user typed. Raises `InputError`."""
    return str(check_server_url(url).root)
