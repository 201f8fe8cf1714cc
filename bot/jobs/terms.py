"""On which terms a member's jobs stand in the line: their account's weight, cap and lane. Plain values."""

from dataclasses import dataclass

from bot.policy.pauses import guild_key


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an account, as they were when its member last asked for something."""

    weight: float = 1.0
    """How large a share of the GPUs is fair."""
    cap: int | None = None
    """Jobs that servers may have at the same time; None without limit."""
    lane: int = 0
    """Lower lanes are served first, whatever was used: the moderators' is -1."""


def account_key(guild_id: int | None, user_id: int) -> str:
    """Return the key of an account: one member in one guild, or in direct messages."""
    return f"{guild_key(guild_id)}:{user_id}"
