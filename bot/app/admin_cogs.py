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
from bot.ui.commands.lookup import WorkflowLookup
from bot.ui.commands.registry import CommandRegistry
from bot.ui.locale import Languages
from bot.workflow.library.library import Library
from cogs.me import MeCommand
from cogs.moderate import ModerateCommand
from cogs.server import ServerCommand
from cogs.workflow import AddWorkflow, WorkflowCommand


class AdminCogs:
    """Builds the cogs. `admission` and `guild_rules` also decide about new jobs.

    Managers of `home_guilds` may administer the whole bot.
    """

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
        self._home_guilds = home_guilds
        self._languages = languages
        self._clock = clock
        self.admission = Admission(
            store=resources.store,
            policies=resources.policies,
            expect=services.run_times.expect,
            clock=clock,
            limits=limits,
        )
        self.guild_rules = GuildRules(rules=resources.workflow_rules, bus=resources.bus, limits=limits, clock=clock)

    def build(
        self, registry: CommandRegistry, lookup: WorkflowLookup, autocompleter: Autocompleter
    ) -> Sequence[commands.Cog]:
        resources, languages, clock = self._resources, self._languages, self._clock
        policies, queue_view = resources.policies, self._services.queue_view
        access = AccessChecks(home_guilds=self._home_guilds, clock=clock)
        audit = AuditLog(store=resources.store, clock=clock)
        accounts = AccountService(
            policies=policies, admission=self.admission, queue_view=queue_view, languages=languages, clock=clock
        )
        moderate = ModerateCommand(
            policies=policies,
            admission=self.admission,
            accounts=accounts,
            audit=audit,
            bus=resources.bus,
            access=access,
            library=self._library,
            languages=languages,
            clock=clock,
        )
        server = ServerCommand(
            registry=resources.fleet,
            store=resources.store,
            queue_view=queue_view,
            key_of=_server_key,
            probe=self._fleet.probe,
            audit=audit,
            bus=resources.bus,
            access=access,
            languages=languages,
        )
        adding = AddWorkflow(
            library=self._library,
            object_infos=self._fleet.object_infos,
            on_change=registry.wake,
            audit=audit,
            access=access,
            languages=languages,
        )
        workflow = WorkflowCommand(
            library=self._library,
            repository=resources.workflow_rules,
            guild_rules=self.guild_rules,
            reason_off=lookup.reason_off,
            on_change=registry.wake,
            autocompleter=autocompleter,
            adding=adding,
            audit=audit,
            access=access,
            languages=languages,
        )
        return moderate, server, MeCommand(accounts=accounts), workflow


def _server_key(url: str) -> str:
    """Return the `Backend.key` of a server from a URL that a user typed. Raises `InputError`."""
    return str(check_server_url(url).root)
