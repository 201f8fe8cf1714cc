"""What `/moderate pause`, `resume` and `paused` do: keep things from starting, for a while or until they are resumed.

Moderators decide for their guild; what reaches further is for those who rule the servers (`bot.ui.authority`).
"""

import asyncio
from collections import OrderedDict

import discord
from discord import app_commands

from bot.clock import Clock
from bot.errors import InputError
from bot.i18n import Message, _
from bot.jobs.hints import Hints, Topic
from bot.policy.pauses import Pause, Scope, of_member
from bot.policy.records import PolicyRecords
from bot.policy.wording import span
from bot.ui.answers import in_time, say, show, suggestions
from bot.ui.audit import Audit
from bot.ui.authority import Authority
from bot.ui.i18n import Languages
from bot.ui.moderatepage import ModeratePage, scope_name
from bot.ui.pausewish import PauseWish
from bot.workflow.library import Library

ANSWER_LIMIT = 2.0
"""Seconds for what comes before an answer: Discord waits three for it."""
SUGGEST_LIMIT = 1.5
NAMES_KEPT = 1000
"""Paused members whose names are remembered."""


class Moderation:
    """Answers those who pause and resume."""

    def __init__(
        self,
        *,
        policies: PolicyRecords,
        audit: Audit,
        hints: Hints,
        authority: Authority,
        library: Library,
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._audit = audit
        self._hints = hints
        self._authority = authority
        self._library = library
        self._languages = languages
        self._page = ModeratePage(languages)
        self._clock = clock
        self._names: OrderedDict[int, str] = OrderedDict()

    async def pause(self, interaction: discord.Interaction, wish: PauseWish) -> None:
        """Pause what is wished."""
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
        self._hints.send(Topic.PAUSES)
        self._hints.send(Topic.WORK)
        await say(interaction, _paused(pause, length, interaction.guild_id), self._languages)

    async def resume(
        self, interaction: discord.Interaction, what: str | None, member: discord.User | discord.Member | None
    ) -> None:
        """End the pause of a scope, or that of a member in this guild."""
        if (what is None) == (member is None):
            raise InputError(_("Please say which pause to end: choose it in *what*, or choose a *member*."))
        scope = of_member(interaction.guild_id, member.id) if member else what or ""
        await self._require(interaction, scope)
        async with in_time(ANSWER_LIMIT):
            was_paused = await self._policies.resume(scope)
            if was_paused:
                await self._audit.write(interaction, f"resumed {scope}")
        if not was_paused:
            raise InputError(_("That is not paused (any more). `/moderate paused` shows what is."))
        self._hints.send(Topic.PAUSES)
        self._hints.send(Topic.WORK)
        name = scope_name(scope, interaction.guild_id)
        await say(interaction, _("Resumed: {what}. What waits starts when its turn comes.", what=name), self._languages)

    async def paused(self, interaction: discord.Interaction) -> None:
        """Show what is paused, as far as it concerns the guild."""
        if not self._authority.moderates(interaction):
            await self._authority.require_fleet(interaction)
        async with in_time(ANSWER_LIMIT):
            pauses = await self._visible(interaction)
        await show(interaction, self._page.pauses(pauses, interaction.guild_id, interaction.locale.value))

    async def suggest_paused(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return what somebody may resume."""
        try:
            async with asyncio.timeout(SUGGEST_LIMIT):
                pauses = await self._visible(interaction)
                is_ruler = await self._authority.rules_fleet(interaction)
        except Exception:  # nobody can be answered in a list of suggestions
            return []
        guild_id = interaction.guild_id
        own = [pause for pause in pauses if is_ruler or Scope.parse(pause.scope).is_within(guild_id)]
        return suggestions([(self._label(pause, interaction), pause.scope) for pause in own], typed)

    def suggest_workflows(self, typed: str) -> list[app_commands.Choice[str]]:
        """Return the workflows."""
        return suggestions([(name, name) for name in self._library.workflows], typed)

    async def _visible(self, interaction: discord.Interaction) -> list[Pause]:
        """Return the pauses that a moderator may know of: those that their members feel; all, for who rules all."""
        is_ruler = await self._authority.rules_fleet(interaction)
        if not is_ruler and not self._authority.moderates(interaction):
            return []
        pauses = await self._policies.pauses(self._clock.now())
        return [pause for pause in pauses if is_ruler or Scope.parse(pause.scope).concerns_guild(interaction.guild_id)]

    async def _require(self, interaction: discord.Interaction, scope: str) -> None:
        if not Scope.parse(scope).is_within(interaction.guild_id) or interaction.guild_id is None:
            await self._authority.require_fleet(interaction)
        elif not self._authority.moderates(interaction) and not await self._authority.rules_fleet(interaction):
            self._authority.require_moderator(interaction)

    def _label(self, pause: Pause, interaction: discord.Interaction) -> str:
        """Return how a pause stands in a list of suggestions, where mentions are not shown as names."""
        name = scope_name(pause.scope, interaction.guild_id)
        label = self._languages.plain(name, interaction.locale.value).replace("`", "")
        scope = Scope.parse(pause.scope)
        if scope.kind == "member" and scope.name.isdecimal():
            label = label.replace(f"<@{scope.name}>", self._names.get(int(scope.name), scope.name))
        return f"{label} · {pause.reason}" if pause.reason else label

    def _remember(self, member: discord.User | discord.Member | None) -> None:
        """Remember somebody's name: Discord does not tell us who the members are."""
        if member is not None:
            self._names[member.id] = member.display_name
            while len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)


def _paused(pause: Pause, length: float | None, guild_id: int | None) -> Message:
    what = scope_name(pause.scope, guild_id)
    if length is None:
        return _(
            "Paused: {what}. What runs goes on; what is asked for waits, until somebody uses `/moderate resume`.",
            what=what,
        )
    return _(
        "Paused: {what}, for {time}. What runs goes on; what is asked for waits. `/moderate resume` ends it sooner.",
        what=what,
        time=span(length),
    )
