"""Queue terms: the weight, cap and lane of a member's account, and the keys of accounts and guilds. Plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueTerms:
    """The terms of an account as of its member's last request."""

    weight: float = 1.0
    """Share of the GPUs relative to others."""
    cap: int | None = None
    """Maximum jobs on servers at the same time; None for no limit."""
    lane: int = 0
    """Lower lanes are always served first; the priority lane is -1."""


def guild_key(guild_id: int | None) -> str:
    """Return how a guild is written in scopes and accounts; all direct messages count as one guild."""
    return "@me" if guild_id is None else str(guild_id)


def account_key(guild_id: int | None, user_id: int) -> str:
    """Return the key of an account: one member in one guild or in direct messages."""
    return f"{guild_key(guild_id)}:{user_id}"
