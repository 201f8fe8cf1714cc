"""`/moderate`: pauses, role limits and member usage.

Moderators decide for their guild, managers about its role limits; wider pauses need a bot admin
(`bot.ui.access_checks`).
"""

import asyncio

import discord
from cachetools import LRUCache
from discord import app_commands
from discord.ext import commands

from bot.clock import Clock
from bot.errors import InputError
from bot.i18n import _
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.policy.admission import Admission
from bot.policy.pauses import Pause, PauseScope, of_member
from bot.policy.repository import PolicyRepository
from bot.policy.role_rules import RoleRule
from bot.policy.time_text import MINUTE
from bot.ui.access_checks import AccessChecks
from bot.ui.account import AccountService
from bot.ui.audit_log import AuditLog
from bot.ui.commands.requester import member_of
from bot.ui.locale import Languages
from bot.ui.pages.moderation import ModerationPage, rule_text, scope_name
from bot.ui.replies import ANSWER_TIMEOUT, AUTOCOMPLETE_TIMEOUT, in_time, reply_text, reply_view, suggestions
from bot.workflow.library.library import Library
from cogs.moderate._pauses import (
    TARGETS,
    PauseRequest,
    parse_duration,
    pause_confirmation,
    require_scope,
    visible_pauses,
)
from cogs.moderate._roles import RESETTABLE, changed_rule, rule_confirmation

DURATIONS = ("10m", "30m", "1h", "2h", "8h", "1d", "7d")
"""Suggested durations of a pause."""
MAX_NAMES = 1000
"""At most this many names of paused members are remembered."""

Chosen = app_commands.Range[str, 1, 100]
Weight = app_commands.Range[float, 0.1, 100.0]
Jobs = app_commands.Range[int, 1, 1000]
Minutes = app_commands.Range[float, 0.0, 100_000.0]
Pictures = app_commands.Range[int, 0, 1_000_000]
Seconds = app_commands.Range[int, 0, 86_400]


class ModerateCommand(commands.Cog):
    """By default Discord shows these commands to moderators only; permissions are checked again at each use."""

    moderate = app_commands.Group(
        name="moderate",
        description="Moderation: pauses, role limits, member usage",
        guild_only=True,
        default_permissions=discord.Permissions(manage_messages=True),
    )

    def __init__(
        self,
        *,
        policies: PolicyRepository,
        admission: Admission,
        accounts: AccountService,
        audit: AuditLog,
        bus: NotificationBus,
        access: AccessChecks,
        library: Library,
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._admission = admission
        self._accounts = accounts
        self._audit = audit
        self._bus = bus
        self._access = access
        self._library = library
        self._languages = languages
        self._page = ModerationPage(languages)
        self._clock = clock
        # Without the members intent, Discord does not tell the names of paused members later
        self._names = LRUCache[int, str](MAX_NAMES)

    # ------------------------------------------------------------------ pauses

    @moderate.command(name="pause", description="Pause a workflow, a member or everything; running requests finish")
    @app_commands.rename(length="for")
    @app_commands.describe(
        what="What to pause (“everywhere” is for the bot's owner only)",
        workflow="Workflow to pause",
        member="Member to pause",
        length="How long, e.g. 30m, 2h or 1d (default: until /moderate resume)",
        reason="Reason (shown to members who are waiting)",
    )
    @app_commands.choices(what=[app_commands.Choice(name=label, value=what) for what, label in TARGETS.items()])
    async def pause(
        self,
        interaction: discord.Interaction,
        what: str,
        workflow: Chosen | None = None,
        member: discord.User | None = None,
        length: app_commands.Range[str, 1, 20] | None = None,
        reason: app_commands.Range[str, 1, 200] | None = None,
    ) -> None:
        scope = PauseRequest(what, workflow, member).scope(interaction.guild_id, self._library.workflows)
        await require_scope(self._access, interaction, scope)
        if member is not None:
            self._names[member.id] = member.display_name
        seconds = None if length is None else parse_duration(length)
        now = self._clock.now()
        until = None if seconds is None else now + seconds
        pause = Pause(scope, interaction.user.id, reason=" ".join((reason or "").split()), at=now, until=until)
        async with in_time(ANSWER_TIMEOUT):
            await self._policies.pause(pause)
            await self._audit.write(interaction, f"paused {scope} until {until or 'resumed'}: {pause.reason}")
        self._notify()
        await reply_text(interaction, pause_confirmation(pause, seconds, interaction.guild_id), self._languages)

    @moderate.command(name="resume", description="End a pause")
    @app_commands.describe(what="Pause to end", member="…or the paused member")
    async def resume(
        self, interaction: discord.Interaction, what: Chosen | None = None, member: discord.User | None = None
    ) -> None:
        if (what is None) == (member is None):
            raise InputError(_("Pick a pause under **what**, or a **member**."))
        scope = of_member(interaction.guild_id, member.id) if member else what or ""
        await require_scope(self._access, interaction, scope)
        async with in_time(ANSWER_TIMEOUT):
            was_paused = await self._policies.resume(scope)
            if was_paused:
                await self._audit.write(interaction, f"resumed {scope}")
        if not was_paused:
            raise InputError(_("That isn't paused. See `/moderate paused`."))
        self._notify()
        name = scope_name(scope, interaction.guild_id)
        await reply_text(interaction, _("Resumed: {what}.", what=name), self._languages)

    @moderate.command(name="paused", description="List pauses: what, by whom, until when and why")
    async def paused(self, interaction: discord.Interaction) -> None:
        """Show the pauses that affect this guild."""
        if not self._access.moderates(interaction):
            await self._access.require_bot_admin(interaction)
        async with in_time(ANSWER_TIMEOUT):
            pauses = await self._visible_pauses(interaction)
        await reply_view(interaction, self._page.pauses(pauses, interaction.guild_id, interaction.locale.value))

    @pause.autocomplete("workflow")
    async def suggest_workflow(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return suggestions([(name, name) for name in self._library.workflows], typed)

    @pause.autocomplete("length")
    async def suggest_length(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest durations; any other typed duration is accepted too."""
        matching = [duration for duration in DURATIONS if duration.startswith(typed.strip().casefold())]
        return [app_commands.Choice(name=duration, value=duration) for duration in matching]

    @resume.autocomplete("what")
    async def suggest_paused(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        try:
            async with asyncio.timeout(AUTOCOMPLETE_TIMEOUT):
                pauses = await self._visible_pauses(interaction)
                is_admin = await self._access.is_bot_admin(interaction)
        except Exception:  # autocomplete cannot show an error
            return []
        guild_id = interaction.guild_id
        own = [pause for pause in pauses if is_admin or PauseScope.parse(pause.scope).is_within(guild_id)]
        return suggestions([(self._label(pause, interaction), pause.scope) for pause in own], typed)

    async def _visible_pauses(self, interaction: discord.Interaction) -> list[Pause]:
        return await visible_pauses(self._access, self._policies, interaction, self._clock.now())

    def _label(self, pause: Pause, interaction: discord.Interaction) -> str:
        """Return the label of a suggestion, where Discord does not turn mentions into names."""
        name = scope_name(pause.scope, interaction.guild_id)
        label = self._languages.plain(name, interaction.locale.value).replace("`", "")
        scope = PauseScope.parse(pause.scope)
        if scope.kind == "member" and scope.name.isdecimal():
            label = label.replace(f"<@{scope.name}>", self._names.get(int(scope.name), scope.name))
        return f"{label} · {pause.reason}" if pause.reason else label

    def _notify(self) -> None:
        self._bus.send(Topic.PAUSES)
        self._bus.send(Topic.WORK)

    # ------------------------------------------------------------------ roles and members

    @moderate.command(name="role", description="Set a role's limits (omitted values stay)")
    @app_commands.describe(
        role="Role (@everyone = default)",
        weight="Priority weight (2 = twice the GPU share)",
        running="Requests running at the same time",
        waiting="Requests in the queue",
        gpu_minutes_day="GPU minutes per 24 hours",
        gpu_minutes_week="GPU minutes per 7 days",
        pictures_day="Images per 24 hours",
        pictures_week="Images per 7 days",
        cooldown="Seconds between two requests",
        first="Always serve this role first",
        forget="Reset a limit to its default",
    )
    @app_commands.choices(forget=[app_commands.Choice(name=label, value=name) for name, label in RESETTABLE.items()])
    async def role(
        self,
        interaction: discord.Interaction,
        role: discord.Role,
        weight: Weight | None = None,
        running: Jobs | None = None,
        waiting: Jobs | None = None,
        gpu_minutes_day: Minutes | None = None,
        gpu_minutes_week: Minutes | None = None,
        pictures_day: Pictures | None = None,
        pictures_week: Pictures | None = None,
        cooldown: Seconds | None = None,
        first: bool | None = None,
        forget: str | None = None,
    ) -> None:
        options = {
            "weight": weight,
            "running": running,
            "waiting": waiting,
            "day_seconds": None if gpu_minutes_day is None else gpu_minutes_day * MINUTE,
            "week_seconds": None if gpu_minutes_week is None else gpu_minutes_week * MINUTE,
            "day_pictures": pictures_day,
            "week_pictures": pictures_week,
            "cooldown": cooldown,
            "lane": first,
        }
        given = {name: value for name, value in options.items() if value is not None}
        self._access.require_manager(interaction)
        guild_id = interaction.guild_id
        if guild_id is None or not (given or forget):
            raise InputError(_("Nothing to change: please set at least one option besides **role**."))
        async with in_time(ANSWER_TIMEOUT):
            rules = await self._policies.rules(guild_id)
            before = next((rule for rule in rules if rule.role_id == role.id), RoleRule(guild_id, role.id))
            rule = changed_rule(before, given, forget)
            await self._policies.set_rule(rule)
            self._admission.forget(guild_id)
            await self._audit.write(interaction, f"role {role.id}: {rule_text(rule)}, before {rule_text(before)}")
        await reply_text(interaction, rule_confirmation(rule), self._languages)

    @moderate.command(name="roles", description="List role limits")
    async def roles(self, interaction: discord.Interaction) -> None:
        self._access.require_moderator(interaction)
        guild_id = interaction.guild_id or 0
        async with in_time(ANSWER_TIMEOUT):
            rules = await self._policies.rules(guild_id)
        await reply_view(interaction, self._page.rules(rules, guild_id, interaction.locale.value))

    @moderate.command(name="member", description="Show a member's usage and limits")
    @app_commands.describe(member="Member to show")
    async def member(self, interaction: discord.Interaction, member: discord.User) -> None:
        self._access.require_moderator(interaction)
        heading = _("Usage and limits of {who}", who=f"<@{member.id}>")
        await self._accounts.show(interaction, member_of(member, interaction.guild_id), heading)
