"""`/moderate`: pauses, what roles may have, and how members stand."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.members import Members
from bot.ui.moderation import Moderation
from bot.ui.pausewish import SPANS, TARGETS, PauseWish
from bot.ui.rolerules import EVERYTHING, RoleRules

MINUTE = 60.0
Chosen = app_commands.Range[str, 1, 100]
Weight = app_commands.Range[float, 0.1, 100.0]
Jobs = app_commands.Range[int, 1, 1000]
Minutes = app_commands.Range[float, 0.0, 100_000.0]
Pictures = app_commands.Range[int, 0, 1_000_000]
Seconds = app_commands.Range[int, 0, 86_400]

FORGET = {
    EVERYTHING: "everything that was set for the role",
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
"""What a role's rule can stop saying, and how the options call it."""


class ModerateCommand(commands.Cog):
    """Hands wishes on. Discord shows the commands to moderators; who may do what is asked again at each use."""

    moderate = app_commands.Group(
        name="moderate",
        description="Pause things, set what roles may have, look at members",
        guild_only=True,
        default_permissions=discord.Permissions(manage_messages=True),
    )

    def __init__(self, *, moderation: Moderation, rules: RoleRules, members: Members) -> None:
        self._moderation = moderation
        self._rules = rules
        self._members = members

    @moderate.command(name="pause", description="Let nothing of it start: what runs goes on, what is asked for waits")
    @app_commands.rename(length="for")
    @app_commands.describe(
        what="What to pause; everywhere is for the owner of the bot",
        workflow="Which command, when you pause a workflow",
        member="Whose requests, when you pause a member",
        length="For how long, such as 30m, 2h or 1d; until /moderate resume if left out",
        reason="Why: everybody whose request waits reads it",
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
        """Pause something."""
        await self._moderation.pause(interaction, PauseWish(what, workflow, member, length, reason or ""))

    @moderate.command(name="resume", description="End a pause: what waits starts when its turn comes")
    @app_commands.describe(what="Which pause", member="Whose pause, instead")
    async def resume(
        self, interaction: discord.Interaction, what: Chosen | None = None, member: discord.User | None = None
    ) -> None:
        """End a pause."""
        await self._moderation.resume(interaction, what, member)

    @moderate.command(name="paused", description="What is paused, by whom, until when and why")
    async def paused(self, interaction: discord.Interaction) -> None:
        """Show what is paused."""
        await self._moderation.paused(interaction)

    @moderate.command(
        name="role", description="Set what members with a role may have; what you leave out stays as it is"
    )
    @app_commands.describe(
        role="Which role; @everyone is for those whose other roles say nothing",
        weight="Share of the GPUs while others wait: 2 is twice as much as 1",
        running="Requests that may run at the same time",
        waiting="Requests that may wait",
        gpu_minutes_day="Minutes of GPU time within 24 hours",
        gpu_minutes_week="Minutes of GPU time within 7 days",
        pictures_day="Pictures within 24 hours",
        pictures_week="Pictures within 7 days",
        cooldown="Seconds between two requests",
        first="Whether they are served before all others",
        forget="Set this back, as if it had never been set",
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
        """Change what a role may have."""
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

    @moderate.command(name="roles", description="What all roles may have")
    async def roles(self, interaction: discord.Interaction) -> None:
        """Show what roles may have."""
        await self._rules.show(interaction)

    @moderate.command(name="member", description="What a member has used, may use and waits for")
    @app_commands.describe(member="Whom to look at")
    async def member(self, interaction: discord.Interaction, member: discord.User) -> None:
        """Show how a member stands."""
        await self._members.member(interaction, member)

    @pause.autocomplete("workflow")
    async def suggest_workflow(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest workflows."""
        return self._moderation.suggest_workflows(typed)

    @pause.autocomplete("length")
    async def suggest_length(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest lengths of time; what is typed counts as it is."""
        fitting = [span for span in SPANS if span.startswith(typed.strip().casefold())]
        return [app_commands.Choice(name=span, value=span) for span in fitting]

    @resume.autocomplete("what")
    async def suggest_paused(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest what can be resumed."""
        return await self._moderation.suggest_paused(interaction, typed)


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * MINUTE
