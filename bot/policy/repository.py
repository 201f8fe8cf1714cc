"""The storage interface of the policy: role rules, pauses and usage."""

from collections.abc import Sequence
from typing import Protocol

from bot.policy.pauses import Pause
from bot.policy.quotas import Usage
from bot.policy.role_rules import RoleRule


class PolicyRepository(Protocol):
    """Stores rules, pauses and usage. Any method may raise `DatabaseUnavailableError`."""

    async def rules(self, guild_id: int) -> Sequence[RoleRule]: ...

    async def set_rule(self, rule: RoleRule) -> None:
        """Replace the role's rule; an empty rule deletes it.

        A waiting member's priority changes only with their next request.
        """
        ...

    async def usage(self, guild_id: int | None, user_id: int, now: float) -> Usage: ...

    async def pauses(self, now: float) -> Sequence[Pause]:
        """Return the pauses active at a time, newest first."""
        ...

    async def pause(self, pause: Pause) -> None:
        """Set a pause, replacing an earlier one of the same scope."""
        ...

    async def resume(self, scope: str) -> bool:
        """End a pause; return whether one existed."""
        ...
