"""`/moderate`: pauses, role limits and member usage."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.account import AccountPages
from cogs.moderate._pauses import SPANS, TARGETS, Moderation, PauseRequest
from cogs.moderate._roles import EVERYTHING, RoleRules

MINUTE = 60.0
Chosen = app_commands.Range[str, 1, 100]
Weight = app_commands.Range[float, 0.1, 100.0]
Jobs = app_commands.Range[int, 1, 1000]
Minutes = app_commands.Range[float, 0.0, 100_000.0]
Pictures = app_commands.Range[int, 0, 1_000_000]
Seconds = app_commands.Range[int, 0, 86_400]

FORGET = {
    EVERYTHING: "all limits of the role",
    "weight": "weight",
    "running": "running",
    "waiting": "waiting",
    "day_seconds": "gpu_minutes_day",
    "week_seconds": "gpu_minutes_week",
    "day_pictures": "pictures_day",
    "week_pictures": "pictures_week",
    "cooldown": "cooldown",
    "lane": "first",
}
"""The limits of a role that can be reset, with the names of their options."""


class ModerateCommand(commands.Cog):
    """By default Discord shows these commands to moderators only; permissions are checked again at each use."""

    moderate = app_commands.Group(
        name="moderate",
        description="Moderation: pauses, role limits, member usage",
        guild_only=True,
        default_permissions=discord.Permissions(manage_messages=True),
    )

    def __init__(self, *, moderation: Moderation, rules: RoleRules, members: AccountPages) -> None:
        self._moderation = moderation
        self._rules = rules
        self._members = members

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
        await self._moderation.pause(interaction, PauseRequest(what, workflow, member, length, reason or ""))

    @moderate.command(name="resume", description="End a pause")
    @app_commands.describe(what="Pause to end", member="…or the paused member")
    async def resume(
        self, interaction: discord.Interaction, what: Chosen | None = None, member: discord.User | None = None
    ) -> None:
        await self._moderation.resume(interaction, what, member)

    @moderate.command(name="paused", description="List pauses: what, by whom, until when and why")
    async def paused(self, interaction: discord.Interaction) -> None:
        await self._moderation.paused(interaction)

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
    @app_commands.choices(forget=[app_commands.Choice(name=label, value=name) for name, label in FORGET.items()])
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
        given = {
            "weight": weight,
            "running": running,
            "waiting": waiting,
            "day_seconds": _seconds(gpu_minutes_day),
            "week_seconds": _seconds(gpu_minutes_week),
            "day_pictures": pictures_day,
            "week_pictures": pictures_week,
            "cooldown": cooldown,
            "lane": first,
        }
        said = {name: value for name, value in given.items() if value is not None}
        await self._rules.change(interaction, role.id, said, forget)

    @moderate.command(name="roles", description="List role limits")
    async def roles(self, interaction: discord.Interaction) -> None:
        await self._rules.show(interaction)

    @moderate.command(name="member", description="Show a member's usage and limits")
    @app_commands.describe(member="Member to show")
    async def member(self, interaction: discord.Interaction, member: discord.User) -> None:
        await self._members.member(interaction, member)

    @pause.autocomplete("workflow")
    async def suggest_workflow(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return self._moderation.suggest_workflows(typed)

    @pause.autocomplete("length")
    async def suggest_length(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest durations; any other typed duration is accepted too."""
        fitting = [span for span in SPANS if span.startswith(typed.strip().casefold())]
        return [app_commands.Choice(name=span, value=span) for span in fitting]

    @resume.autocomplete("what")
    async def suggest_paused(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._moderation.suggest_paused(interaction, typed)


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * MINUTE
