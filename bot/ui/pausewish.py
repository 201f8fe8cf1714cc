"""Parses and checks the options of `/moderate pause`. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

import discord

from bot.errors import InputError
from bot.i18n import _
from bot.policy.pauses import EVERYTHING, of_guild, of_member, of_workflow
from bot.policy.time_text import DAY, read_span

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
class PauseWish:
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
