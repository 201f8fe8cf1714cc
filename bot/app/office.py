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
from bot.ui.account import AccountPages
from bot.ui.audit_log import AuditLog
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.guild_rules import GuildRules
from bot.ui.commands.registry import CommandRegistry
from bot.ui.locale import Languages
from bot.workflow.library.library import Library
from cogs.me import MeCommand
from cogs.moderate._cog import ModerateCommand
from cogs.moderate._pauses import Moderation
from cogs.moderate._roles import RoleRules
from cogs.server._cog import ServerCommand
from cogs.server._service import ServerService
from cogs.workflow._add import AddWorkflow
from cogs.workflow._cog import WorkflowCommand
from cogs.workflow._service import WorkflowService


class Office:
    """`admission` checks new jobs; managers of `home_guilds` may administer the whole bot."""

    def __init__(
        self,
        *,
        installation: Resources,
        works: Services,
        fleet: Fleet,
        library: Library,
        limits: Limits,
        home_guilds: Collection[int],
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._installation = installation
        self._works = works
        self._fleet = fleet
        self._library = library
        self._languages = languages
        self._clock = clock
        store, policies = installation.store, installation.policies
        self.admission = Admission(
            store=store, policies=policies, expect=works.queue.expect, clock=clock, limits=limits
        )
        self.house = GuildRules(rules=installation.workflow_rules, hints=installation.hints, limits=limits, clock=clock)
        self._authority = AccessChecks(home_guilds=home_guilds, clock=clock)
        self._audit = AuditLog(store=store, clock=clock)

    def cogs(self, registrar: CommandRegistry, suggester: Autocompleter) -> Sequence[commands.Cog]:
        members = AccountPages(
            policies=self._installation.policies,
            admission=self.admission,
            survey=self._works.lineup.status,
            authority=self._authority,
            languages=self._languages,
            clock=self._clock,
        )
        return (
            ModerateCommand(moderation=self._moderation(), rules=self._rules(), members=members),
            ServerCommand(desk=self._desk()),
            MeCommand(members=members),
            WorkflowCommand(desk=self._workflow_desk(registrar, suggester), addition=self._addition(registrar)),
        )

    def _workflow_desk(self, registrar: CommandRegistry, suggester: Autocompleter) -> WorkflowService:
        return WorkflowService(
            library=self._library,
            rules=self._installation.workflow_rules,
            house=self.house,
            reason_off=registrar.reason_off,
            on_change=registrar.wake,
            suggester=suggester,
            audit=self._audit,
            authority=self._authority,
            languages=self._languages,
        )

    def _addition(self, registrar: CommandRegistry) -> AddWorkflow:
        return AddWorkflow(
            library=self._library,
            ask=self._fleet.object_infos,
            on_change=registrar.wake,
            audit=self._audit,
            authority=self._authority,
            languages=self._languages,
        )

    def _moderation(self) -> Moderation:
        return Moderation(
            policies=self._installation.policies,
            audit=self._audit,
            hints=self._installation.hints,
            authority=self._authority,
            library=self._library,
            languages=self._languages,
            clock=self._clock,
        )

    def _rules(self) -> RoleRules:
        return RoleRules(
            policies=self._installation.policies,
            admission=self.admission,
            audit=self._audit,
            authority=self._authority,
            languages=self._languages,
        )

    def _desk(self) -> ServerService:
        return ServerService(
            fleet=self._installation.fleet,
            store=self._installation.store,
            survey=self._works.lineup.status,
            key_of=_key_of,
            probe=self._fleet.probe,
            audit=self._audit,
            hints=self._installation.hints,
            authority=self._authority,
            languages=self._languages,
        )


def _key_of(url: str) -> str:
    """Return the `Backend.key` of a server from a URL that a user typed. Raises `InputError`."""
    return str(check_server_url(url).root)
