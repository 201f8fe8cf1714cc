"""Composition root: builds admission, and the commands of moderators, owners and members' accounts."""

from collections.abc import Collection, Sequence

from discord.ext import commands

from bot.app.resources import Installation
from bot.app.services import Works
from bot.clock import Clock
from bot.comfy.fleet import Fleet
from bot.comfy.url import check_address
from bot.policy.admission import Admission
from bot.policy.limits import Limits
from bot.ui.access_checks import Authority
from bot.ui.account import Members
from bot.ui.audit_log import Audit
from bot.ui.commands.autocomplete import Suggester
from bot.ui.commands.guild_rules import GuildHouse
from bot.ui.commands.registry import Registrar
from bot.ui.locale import Languages
from bot.workflow.library.library import Library
from cogs.me import MeCommand
from cogs.moderate._cog import ModerateCommand
from cogs.moderate._pauses import Moderation
from cogs.moderate._roles import RoleRules
from cogs.server._cog import ServerCommand
from cogs.server._service import FleetDesk
from cogs.workflow._add import Addition
from cogs.workflow._cog import WorkflowCommand
from cogs.workflow._service import WorkflowDesk


class Office:
    """`admission` checks new jobs; managers of `home_guilds` may administer the whole bot."""

    def __init__(
        self,
        *,
        installation: Installation,
        works: Works,
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
        self.house = GuildHouse(rules=installation.workflow_rules, hints=installation.hints, limits=limits, clock=clock)
        self._authority = Authority(home_guilds=home_guilds, clock=clock)
        self._audit = Audit(store=store, clock=clock)

    def cogs(self, registrar: Registrar, suggester: Suggester) -> Sequence[commands.Cog]:
        members = Members(
            policies=self._installation.policies,
            admission=self.admission,
            survey=self._works.lineup.survey,
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

    def _workflow_desk(self, registrar: Registrar, suggester: Suggester) -> WorkflowDesk:
        return WorkflowDesk(
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

    def _addition(self, registrar: Registrar) -> Addition:
        return Addition(
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

    def _desk(self) -> FleetDesk:
        return FleetDesk(
            fleet=self._installation.fleet,
            store=self._installation.store,
            survey=self._works.lineup.survey,
            key_of=_key_of,
            probe=self._fleet.probe,
            audit=self._audit,
            hints=self._installation.hints,
            authority=self._authority,
            languages=self._languages,
        )


def _key_of(url: str) -> str:
    """Return the `Backend.key` of a server from a URL that a user typed. Raises `InputError`."""
    return str(check_address(url).root)
