"""What policy needs from whoever keeps it: rules of roles, pauses, and what members have used."""

from collections.abc import Sequence
from typing import Protocol

from bot.policy.pauses import Pause
from bot.policy.quotas import Standing
from bot.policy.rules import RoleRule


class PolicyRecords(Protocol):
    """Rules, pauses and standings of one installation. Any method may raise `StoreDownError`."""

    async def rules(self, guild_id: int) -> Sequence[RoleRule]:
        """Return the rules of a guild."""
        ...

    async def set_rule(self, rule: RoleRule) -> None:
        """Keep a rule in place of the role's former one; one that says nothing takes it away.

        What it changes of members who wait is changed when they next ask for something.
        """
        ...

    async def standing(self, guild_id: int | None, user_id: int, now: float) -> Standing:
        """Return how a member stands in a guild."""
        ...

    async def pauses(self, now: float) -> Sequence[Pause]:
        """Return the pauses that hold at a time, newest first."""
        ...

    async def pause(self, pause: Pause) -> None:
        """Pause something, in place of an earlier pause of the same scope."""
        ...

    async def resume(self, scope: str) -> bool:
        """End a pause; return whether there was one."""
        ...
