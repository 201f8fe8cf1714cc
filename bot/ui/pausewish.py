"""What a moderator typed to pause something, read and checked. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

import discord

from bot.errors import InputError
from bot.i18n import _
from bot.policy.pauses import EVERYTHING, of_guild, of_member, of_workflow
from bot.policy.wording import DAY, read_span

SHORTEST = 10.0
LONGEST = 365 * DAY
SPANS = ("10m", "30m", "1h", "2h", "8h", "1d", "7d")
"""Suggested for how long something is paused."""

GUILD, WORKFLOW, MEMBER = "guild", "workflow", "member"
WORKFLOW_ANYWHERE, PRIVATE, ALL = "workflow everywhere", "direct messages", "everything"
TARGETS = {
    GUILD: "this Discord server",
    WORKFLOW: "a workflow, in this Discord server",
    MEMBER: "a member, in this Discord server",
    WORKFLOW_ANYWHERE: "a workflow, everywhere",
    PRIVATE: "requests by direct message",
    ALL: "everything, everywhere",
}
"""What can be paused, and how Discord's list calls it."""


@dataclass(frozen=True, slots=True)
class PauseWish:
    """What a moderator typed."""

    what: str
    """One of `TARGETS`."""
    workflow: str | None = None
    member: discord.User | discord.Member | None = None
    length: str | None = None
    """Such as "30m"; None until somebody resumes it."""
    reason: str = ""

    def scope(self, guild_id: int | None, workflows: Collection[str]) -> str:
        """Return the scope that is meant, in a guild. Raises `InputError`."""
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
            raise InputError(_("This cannot be paused. Please choose from the list."))
        return scopes[self.what]

    @property
    def seconds(self) -> float | None:
        """For how long; None until somebody resumes it. Raises `InputError`."""
        if self.length is None:
            return None
        seconds = read_span(self.length)
        if seconds is None or not SHORTEST <= seconds <= LONGEST:
            raise InputError(
                _(
                    "{typed} is no length of time between 10 seconds and a year. Write it like 30m, 2h or 1d.",
                    typed=self.length[:40],
                )
            )
        return seconds

    @property
    def words(self) -> str:
        """The reason, on one line."""
        return " ".join(self.reason.split())


def _known(typed: str, workflows: Collection[str]) -> str:
    name = typed.strip().removeprefix("/").casefold()
    if name not in workflows:
        raise InputError(_("There is no command “{name}”. Please choose one from the list.", name=typed[:40]))
    return name


def _check(option: str, is_given: bool, is_wanted: bool) -> None:
    if is_wanted and not is_given:
        raise InputError(_("Please say which one in the option *{option}*.", option=option))
    if is_given and not is_wanted:
        raise InputError(
            _("The option *{option}* does not go with this choice of *what*. Please leave it out.", option=option)
        )
