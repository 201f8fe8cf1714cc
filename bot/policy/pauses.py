"""Pauses: what is paused, by whom, why and until when. Pure.

While something is paused, none of its jobs start: running jobs continue, new ones wait in the queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from bot.policy.terms import account_key, guild_key

EVERYTHING = "all"
GUILD_SCOPE = "guild:{guild}"
WORKFLOW_SCOPE = "workflow:{guild}:{workflow}"
MEMBER_SCOPE = "member:{account}"
"""The grammar of scopes: templates, with the keys of guilds and accounts. SQL is built from the same ones."""
ANYWHERE = "*"
"""In a scope, stands for all guilds."""


def of_guild(guild_id: int | None) -> str:
    """Return the scope of a whole guild."""
    return GUILD_SCOPE.format(guild=guild_key(guild_id))


def of_workflow(name: str, guild_id: int | None = None, *, anywhere: bool = False) -> str:
    return WORKFLOW_SCOPE.format(guild=ANYWHERE if anywhere else guild_key(guild_id), workflow=name)


def of_member(guild_id: int | None, user_id: int) -> str:
    return MEMBER_SCOPE.format(account=account_key(guild_id, user_id))


def scopes_of(*, guild: str, workflow: str, account: str) -> tuple[str, ...]:
    """Return all scopes that apply to a job, given the keys of its guild and account; widest first."""
    return (
        EVERYTHING,
        GUILD_SCOPE.format(guild=guild),
        WORKFLOW_SCOPE.format(guild=ANYWHERE, workflow=workflow),
        WORKFLOW_SCOPE.format(guild=guild, workflow=workflow),
        MEMBER_SCOPE.format(account=account),
    )


@dataclass(frozen=True, slots=True)
class PauseScope:
    """A parsed scope."""

    kind: str
    """"all", "guild", "workflow" or "member"."""
    guild: str = ""
    """The guild's key; `ANYWHERE` for all guilds, empty where it does not apply."""
    name: str = ""
    """The workflow's name or the member's id."""

    @classmethod
    def parse(cls, scope: str) -> Self:
        """Parse a scope; of an unknown kind, only `kind` is set."""
        kind, _colon, rest = scope.partition(":")
        match kind:
            case "guild":
                return cls(kind, rest)
            case "workflow" | "member":
                guild, _colon, name = rest.partition(":")
                return cls(kind, guild, name)
            case _:
                return cls(kind)

    def is_within(self, guild_id: int | None) -> bool:
        """Whether it applies to this guild only."""
        return self.guild == guild_key(guild_id)

    def concerns_guild(self, guild_id: int | None) -> bool:
        """Whether it can delay members of a guild."""
        return self.kind == EVERYTHING or self.guild == ANYWHERE or self.is_within(guild_id)

    def concerns_member(self, guild_id: int | None, user_id: int) -> bool:
        """Whether it can delay a member of a guild."""
        return self.concerns_guild(guild_id) and (self.kind != "member" or self.name == str(user_id))


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause."""

    scope: str
    by: int
    """User id of whoever set it."""
    reason: str = ""
    at: float = 0.0
    until: float | None = None
    """Seconds since the epoch; None until it is resumed by hand."""

    def is_active(self, now: float) -> bool:
        return self.until is None or now < self.until


def concerning(pauses: Iterable[Pause], guild_id: int | None, user_id: int) -> list[Pause]:
    """Return the pauses that can delay a member of a guild."""
    return [pause for pause in pauses if PauseScope.parse(pause.scope).concerns_member(guild_id, user_id)]
