"""Role rules, and what they add up to for a member. Pure; each guild has its own rules.

A rule sets some limits and leaves others open (None). For each limit, the most generous of the member's roles that set
it wins; if none does, the rule of @everyone applies; otherwise there is no limit.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

T = TypeVar("T", int, float)


@dataclass(frozen=True, slots=True)
class RoleRule:
    """The limits of one role. None: not set by this role."""

    guild_id: int
    role_id: int
    """The guild's own id for @everyone."""
    weight: float | None = None
    """Share of the GPUs while others are waiting: twice the weight is twice the GPU time."""
    running: int | None = None
    """Maximum jobs on the GPU servers at the same time."""
    waiting: int | None = None
    """Maximum jobs in the queue."""
    lane: bool | None = None
    """Whether jobs are always served before those of other members."""
    day_seconds: float | None = None
    """GPU-seconds within 24 hours."""
    week_seconds: float | None = None
    day_pictures: int | None = None
    week_pictures: int | None = None
    cooldown: float | None = None
    """Seconds between two requests."""

    @property
    def is_empty(self) -> bool:
        """Whether it sets nothing."""
        return all(getattr(self, name) is None for name in LIMIT_NAMES)


LIMIT_NAMES = tuple(field.name for field in fields(RoleRule) if field.name not in ("guild_id", "role_id"))
"""The limits that a rule can set."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The effective limits of one member. None: no limit."""

    weight: float = 1.0
    running: int | None = None
    waiting: int | None = None
    lane: bool = False
    day_seconds: float | None = None
    week_seconds: float | None = None
    day_pictures: int | None = None
    week_pictures: int | None = None
    cooldown: float | None = None

    @property
    def limits_use(self) -> bool:
        """Whether usage or earlier requests have to be looked up to apply it."""
        limits = (self.waiting, self.day_seconds, self.week_seconds, self.day_pictures, self.week_pictures)
        return any(limit is not None for limit in (*limits, self.cooldown))


def resolve(rules: Iterable[RoleRule], guild_id: int | None, role_ids: Collection[int]) -> Allowance:
    """Return the effective limits of a member with these roles; there are none in direct messages."""
    here = [rule for rule in rules if rule.guild_id == guild_id]
    own = [rule for rule in here if rule.role_id in role_ids and rule.role_id != guild_id]
    everybody = [rule for rule in here if rule.role_id == guild_id]

    def best(read: Callable[[RoleRule], T | None], choose: Callable[[Iterable[T]], T] = max) -> T | None:
        said = _said(own, read) or _said(everybody, read)
        return choose(said) if said else None

    weight = best(lambda rule: rule.weight)
    return Allowance(
        weight=1.0 if weight is None else weight,
        running=best(lambda rule: rule.running),
        waiting=best(lambda rule: rule.waiting),
        lane=bool(best(lambda rule: rule.lane)),
        day_seconds=best(lambda rule: rule.day_seconds),
        week_seconds=best(lambda rule: rule.week_seconds),
        day_pictures=best(lambda rule: rule.day_pictures),
        week_pictures=best(lambda rule: rule.week_pictures),
        cooldown=best(lambda rule: rule.cooldown, min),
    )


def _said(rules: Sequence[RoleRule], read: Callable[[RoleRule], T | None]) -> list[T]:
    return [value for rule in rules if (value := read(rule)) is not None]
