"""What `/moderate pause` was asked to pause, for how long and why; and who may see and change a pause."""

from collections.abc import Collection
from dataclasses import dataclass

import discord

from bot.errors import InputError
from bot.i18n import Message, _
from bot.policy.pauses import EVERYTHING, Pause, PauseScope, of_guild, of_member, of_workflow
from bot.policy.repository import PolicyRepository
from bot.policy.time_text import DAY, read_span, span
from bot.ui.access_checks import AccessChecks
from bot.ui.pages.moderation import scope_name

MIN_SECONDS = 10.0
MAX_SECONDS = 365 * DAY

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
    target: str
    """One of `TARGETS`."""
    workflow: str | None = None
    member: discord.User | discord.Member | None = None

    def scope(self, guild_id: int | None, workflows: Collection[str]) -> str:
        """Raises `InputError`."""
        _check_option("workflow", self.workflow is not None, self.target in (WORKFLOW, WORKFLOW_ANYWHERE))
        _check_option("member", self.member is not None, self.target == MEMBER)
        if self.member is not None:
            return of_member(guild_id, self.member.id)
        if self.workflow is not None:
            name = _workflow_name(self.workflow, workflows)
            return of_workflow(name, guild_id, anywhere=self.target == WORKFLOW_ANYWHERE)
        scopes = {GUILD: of_guild(guild_id), PRIVATE: of_guild(None), ALL: EVERYTHING}
        if self.target not in scopes:
            raise InputError(_("That can't be paused. Please pick from the list."))
        return scopes[self.target]


def _check_option(option: str, is_given: bool, is_wanted: bool) -> None:
    if is_wanted and not is_given:
        raise InputError(_("Please choose a **{option}**.", option=option))
    if is_given and not is_wanted:
        raise InputError(_("**{option}** can't be combined with that choice. Please leave it out.", option=option))


def _workflow_name(typed: str, workflows: Collection[str]) -> str:
    name = typed.strip().removeprefix("/").casefold()
    if name not in workflows:
        raise InputError(_("There's no workflow “{name}”. Please pick one from the list.", name=typed[:40]))
    return name


def parse_duration(typed: str) -> float:
    """Return the seconds of a duration such as "30m". Raises `InputError`."""
    seconds = read_span(typed)
    if seconds is None or not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(
            _("“{typed}” isn't a duration between 10 seconds and a year. Write 30m, 2h or 1d.", typed=typed[:40])
        )
    return seconds


def pause_confirmation(pause: Pause, seconds: float | None, guild_id: int | None) -> Message:
    what = scope_name(pause.scope, guild_id)
    if seconds is None:
        return _("Paused: {what}. Running requests finish; new ones wait until `/moderate resume`.", what=what)
    return _(
        "Paused: {what} for {time}. Running requests finish; new ones wait. `/moderate resume` ends it sooner.",
        what=what,
        time=span(seconds),
    )


async def require_scope(access: AccessChecks, interaction: discord.Interaction, scope: str) -> None:
    """Raise `DeniedError` unless the user may set and end pauses of a scope: moderators only those of their guild."""
    if interaction.guild_id is None or not PauseScope.parse(scope).is_within(interaction.guild_id):
        await access.require_bot_admin(interaction)
    elif not access.moderates(interaction) and not await access.is_bot_admin(interaction):
        access.require_moderator(interaction)


async def visible_pauses(
    access: AccessChecks, policies: PolicyRepository, interaction: discord.Interaction, now: float
) -> list[Pause]:
    """Return the pauses that affect the moderator's guild; all pauses for a bot admin."""
    is_admin = await access.is_bot_admin(interaction)
    if not is_admin and not access.moderates(interaction):
        return []
    pauses = await policies.pauses(now)
    guild_id = interaction.guild_id
    return [pause for pause in pauses if is_admin or PauseScope.parse(pause.scope).concerns_guild(guild_id)]
