"""Pauses: what is paused, by whom, why and until when. Pure.

Paused means that nothing of it starts; what runs goes on, and what is asked for waits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

EVERYTHING = "all"
ANYWHERE = "*"


def guild_key(guild_id: int | None) -> str:
    """Return how a guild is written in scopes and accounts; direct messages are one guild."""
    return "@me" if guild_id is None else str(guild_id)


def of_guild(guild_id: int | None) -> str:
    """Return the scope of everything that is asked for in a guild."""
    return f"guild:{guild_key(guild_id)}"


def of_workflow(name: str, guild_id: int | None = None, *, anywhere: bool = False) -> str:
    """Return the scope of a workflow, in a guild or anywhere."""
    return f"workflow:{ANYWHERE if anywhere else guild_key(guild_id)}:{name}"


def of_member(guild_id: int | None, user_id: int) -> str:
    """Return the scope of a member in a guild."""
    return f"member:{guild_key(guild_id)}:{user_id}"


def of_server(key: str) -> str:
    """Return the scope of a server, by its `Backend.key`."""
    return f"server:{key}"


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope, taken apart."""

    kind: str
    """"all", "guild", "workflow", "member" or "server"."""
    guild: str = ""
    """The key of the guild that it is about; `ANYWHERE` for all, empty where that is no question."""
    name: str = ""
    """Of the workflow, the member's id, or the key of the server."""

    @classmethod
    def parse(cls, scope: str) -> Self:
        """Take a scope apart; of one that nothing here has made, only the kind is known."""
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
        """Whether it is about one guild only, and that is this one."""
        return self.guild == guild_key(guild_id)

    def concerns_guild(self, guild_id: int | None) -> bool:
        """Whether members of a guild may have to wait for its end."""
        return self.kind == EVERYTHING or self.guild == ANYWHERE or self.is_within(guild_id)

    def concerns_member(self, guild_id: int | None, user_id: int) -> bool:
        """Whether a member of a guild may have to wait for its end."""
        return self.concerns_guild(guild_id) and (self.kind != "member" or self.name == str(user_id))


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause."""

    scope: str
    by: int
    """Who paused it."""
    reason: str = ""
    at: float = 0.0
    until: float | None = None
    """Seconds since the epoch; None until somebody resumes it."""

    def is_active(self, now: float) -> bool:
        """Whether it holds at a time."""
        return self.until is None or now < self.until


def concerning(pauses: Iterable[Pause], guild_id: int | None, user_id: int) -> list[Pause]:
    """Return the pauses for whose end a member of a guild may have to wait."""
    return [pause for pause in pauses if Scope.parse(pause.scope).concerns_member(guild_id, user_id)]
