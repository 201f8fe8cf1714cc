"""`/moderate pause`, `resume` and `paused`: keep jobs from starting, for a time or until resumed.

Moderators decide for their guild; wider pauses need a bot admin (`bot.ui.access_checks`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

import discord
from discord import app_commands

from bot.clock import Clock
from bot.errors import InputError
from bot.i18n import Message, _
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.policy.pauses import EVERYTHING, Pause, PauseScope, of_guild, of_member, of_workflow
from bot.policy.repository import PolicyRepository
from bot.policy.time_text import DAY, read_span, span
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.locale import Languages
from bot.ui.pages.moderation import ModerationPage, scope_name
from bot.ui.replies import (
    in_time,
    reply_text,
    reply_view,
    suggestions,
)
from bot.workflow.library.library import Library

SHORTEST = 10.0
LONGEST = 365 * DAY
SPANS = ("10m", "30m", "1h", "2h", "8h", "1d", "7d")
"""Suggested durations."""

GUILD, WORKFLOW, MEMBER = "guild", "workflow", "member"
WORKFLOW_ANYWHERE, PRIVATE, ALL = "workflow everywhere", "direct messages", "everything"
TARGETS = {
    GUILD: "This Discord server",
    WORKFLOW: "A workflow in this Discord server",
    MEMBER: "A member in this Discord server",
    WORKFLOW_ANYWHERE: "A workflow everywhere",
    PRIVATE: "Direct messages",
    ALL: "Everything everywhere",
}
"""What can be paused, with the labels of the choices."""


@dataclass(frozen=True, slots=True)
class PauseRequest:
    what: str
    """One of `TARGETS`."""
    workflow: str | None = None
    member: discord.User | discord.Member | None = None
    length: str | None = None
    """Such as "30m"; None: until resumed."""
    reason: str = ""

    def scope(self, guild_id: int | None, workflows: Collection[str]) -> str:
        """Raises `InputError`."""
        wants_workflow = self.what in (WORKFLOW, WORKFLOW_ANYWHERE)
        _check("workflow", self.workflow is not None, wants_workflow)
        _check("member", self.member is not None, self.what == MEMBER)
        if self.member is not None:
            return of_member(guild_id, self.member.id)
        if self.workflow is not None:
            name = _known(self.workflow, workflows)
            return of_workflow(name, guild_id, anywhere=self.what == WORKFLOW_ANYWHERE)
        scopes = {GUILD: of_guild(guild_id), PRIVATE: of_guild(None), ALL: EVERYTHING}
        if self.what not in scopes:
            raise InputError(_("That can't be paused. Please pick from the list."))
        return scopes[self.what]

    @property
    def seconds(self) -> float | None:
        """The duration; None: until resumed. Raises `InputError`."""
        if self.length is None:
            return None
        seconds = read_span(self.length)
        if seconds is None or not SHORTEST <= seconds <= LONGEST:
            raise InputError(
                _(
                    "“{typed}” isn't a duration between 10 seconds and a year. Write 30m, 2h or 1d.",
                    typed=self.length[:40],
                )
            )
        return seconds

    @property
    def words(self) -> str:
        """The reason with its whitespace collapsed."""
        return " ".join(self.reason.split())


def _known(typed: str, workflows: Collection[str]) -> str:
    name = typed.strip().removeprefix("/").casefold()
    if name not in workflows:
        raise InputError(_("There's no workflow “{name}”. Please pick one from the list.", name=typed[:40]))
    return name


def _check(option: str, is_given: bool, is_wanted: bool) -> None:
    if is_wanted and not is_given:
        raise InputError(_("Please choose a **{option}**.", option=option))
    if is_given and not is_wanted:
        raise InputError(_("**{option}** can't be combined with that choice. Please leave it out.", option=option))


ANSWER_LIMIT = 2.0
"""Seconds for the work before an answer; Discord waits three."""
SUGGEST_LIMIT = 1.5
NAMES_KEPT = 1000
"""At most this many names of paused members are remembered."""


class Moderation:
    def __init__(
        self,
        *,
        policies: PolicyRepository,
        audit: AuditLog,
        bus: NotificationBus,
        access: AccessChecks,
        library: Library,
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._audit = audit
        self._bus = bus
        self._access = access
        self._library = library
        self._languages = languages
        self._page = ModerationPage(languages)
        self._clock = clock
        self._names: OrderedDict[int, str] = OrderedDict()

    async def pause(self, interaction: discord.Interaction, wish: PauseRequest) -> None:
        scope = wish.scope(interaction.guild_id, self._library.workflows)
        await self._require(interaction, scope)
        self._remember(wish.member)
        now = self._clock.now()
        length = wish.seconds
        until = None if length is None else now + length
        pause = Pause(scope, interaction.user.id, reason=wish.words, at=now, until=until)
        async with in_time(ANSWER_LIMIT):
            await self._policies.pause(pause)
            await self._audit.write(interaction, f"paused {scope} until {until or 'resumed'}: {pause.reason}")
        self._bus.send(Topic.PAUSES)
        self._bus.send(Topic.WORK)
        await reply_text(interaction, _paused(pause, length, interaction.guild_id), self._languages)

    async def resume(
        self, interaction: discord.Interaction, what: str | None, member: discord.User | discord.Member | None
    ) -> None:
        """End the pause of a scope, or of a member in this guild."""
        if (what is None) == (member is None):
            raise InputError(_("Pick a pause under **what**, or a **member**."))
        scope = of_member(interaction.guild_id, member.id) if member else what or ""
        await self._require(interaction, scope)
        async with in_time(ANSWER_LIMIT):
            was_paused = await self._policies.resume(scope)
            if was_paused:
                await self._audit.write(interaction, f"resumed {scope}")
        if not was_paused:
            raise InputError(_("That isn't paused. See `/moderate paused`."))
        self._bus.send(Topic.PAUSES)
        self._bus.send(Topic.WORK)
        name = scope_name(scope, interaction.guild_id)
        await reply_text(interaction, _("Resumed: {what}.", what=name), self._languages)

    async def paused(self, interaction: discord.Interaction) -> None:
        """Show the pauses that affect this guild."""
        if not self._access.moderates(interaction):
            await self._access.require_bot_admin(interaction)
        async with in_time(ANSWER_LIMIT):
            pauses = await self._visible(interaction)
        await reply_view(interaction, self._page.pauses(pauses, interaction.guild_id, interaction.locale.value))

    async def suggest_paused(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        try:
            async with asyncio.timeout(SUGGEST_LIMIT):
                pauses = await self._visible(interaction)
                is_ruler = await self._access.is_bot_admin(interaction)
        except Exception:  # autocomplete cannot show an error
            return []
        guild_id = interaction.guild_id
        own = [pause for pause in pauses if is_ruler or PauseScope.parse(pause.scope).is_within(guild_id)]
        return suggestions([(self._label(pause, interaction), pause.scope) for pause in own], typed)

    def suggest_workflows(self, typed: str) -> list[app_commands.Choice[str]]:
        return suggestions([(name, name) for name in self._library.workflows], typed)

    async def _visible(self, interaction: discord.Interaction) -> list[Pause]:
        """Return the pauses that affect the moderator's guild; all pauses for a bot admin."""
        is_ruler = await self._access.is_bot_admin(interaction)
        if not is_ruler and not self._access.moderates(interaction):
            return []
        pauses = await self._policies.pauses(self._clock.now())
        return [
            pause for pause in pauses if is_ruler or PauseScope.parse(pause.scope).concerns_guild(interaction.guild_id)
        ]

    async def _require(self, interaction: discord.Interaction, scope: str) -> None:
        if not PauseScope.parse(scope).is_within(interaction.guild_id) or interaction.guild_id is None:
            await self._access.require_bot_admin(interaction)
        elif not self._access.moderates(interaction) and not await self._access.is_bot_admin(interaction):
            self._access.require_moderator(interaction)

    def _label(self, pause: Pause, interaction: discord.Interaction) -> str:
        """Return the label of a suggestion, where Discord does not turn mentions into names."""
        name = scope_name(pause.scope, interaction.guild_id)
        label = self._languages.plain(name, interaction.locale.value).replace("`", "")
        scope = PauseScope.parse(pause.scope)
        if scope.kind == "member" and scope.name.isdecimal():
            label = label.replace(f"<@{scope.name}>", self._names.get(int(scope.name), scope.name))
        return f"{label} · {pause.reason}" if pause.reason else label

    def _remember(self, member: discord.User | discord.Member | None) -> None:
        """Remember the name: without the members intent, Discord does not tell it later."""
        if member is not None:
            self._names[member.id] = member.display_name
            while len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)


def _paused(pause: Pause, length: float | None, guild_id: int | None) -> Message:
    what = scope_name(pause.scope, guild_id)
    if length is None:
        return _("Paused: {what}. Running requests finish; new ones wait until `/moderate resume`.", what=what)
    return _(
        "Paused: {what} for {time}. Running requests finish; new ones wait. `/moderate resume` ends it sooner.",
        what=what,
        time=span(length),
    )
