"""Pauses: what is paused, by whom, why and until when. Pure.

While something is paused, none of its jobs start: running jobs continue, new ones wait in the queue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

EVERYTHING = "all"
ANYWHERE = "*"


def guild_key(guild_id: int | None) -> str:
    """Return how a guild is written in scopes and accounts; all direct messages count as one guild."""
    return "@me" if guild_id is None else str(guild_id)


def of_guild(guild_id: int | None) -> str:
    """Return the scope of a whole guild."""
    return f"guild:{guild_key(guild_id)}"


def of_workflow(name: str, guild_id: int | None = None, *, anywhere: bool = False) -> str:
    return f"workflow:{ANYWHERE if anywhere else guild_key(guild_id)}:{name}"


def of_member(guild_id: int | None, user_id: int) -> str:
    return f"member:{guild_key(guild_id)}:{user_id}"


def of_server(key: str) -> str:
    """Return the scope of a server, given its `Backend.key`."""
    return f"server:{key}"


@dataclass(frozen=True, slots=True)
class PauseScope:
    """A parsed scope."""

    kind: str
    """"all", "guild", "workflow", "member" or "server"."""
    guild: str = ""
    """The guild's key; `ANYWHERE` for all guilds, empty where it does not apply."""
    name: str = ""
    """The workflow's name, the member's id or the server's key."""

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
            case "server":
                return cls(kind, "", rest)
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
