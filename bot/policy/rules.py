"""What roles grant, and what a member may have by all their roles together. Pure; a guild's rules are its own.

Each rule says something about some limits and nothing (None) about others. Of the roles that a member has, the most
generous one that says something about a limit decides; if none does, the guild's everybody-role; else there is no
limit.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

T = TypeVar("T", int, float)


@dataclass(frozen=True, slots=True)
class RoleRule:
    """What one role grants. None: it says nothing about that."""

    guild_id: int
    role_id: int
    """The guild's own id for everybody."""
    weight: float | None = None
    """How large a share of the GPUs is fair: twice the weight, twice the GPU time while others wait."""
    running: int | None = None
    """Jobs that servers may have at the same time."""
    waiting: int | None = None
    """Jobs that may wait."""
    lane: bool | None = None
    """Whether jobs are served before those of all others."""
    day_seconds: float | None = None
    """GPU-seconds within 24 hours."""
    week_seconds: float | None = None
    day_pictures: int | None = None
    week_pictures: int | None = None
    cooldown: float | None = None
    """Seconds between two requests."""

    @property
    def says_nothing(self) -> bool:
        """Whether it grants and limits nothing."""
        return all(getattr(self, name) is None for name in SUBJECTS)


SUBJECTS = tuple(field.name for field in fields(RoleRule) if field.name not in ("guild_id", "role_id"))
"""What a rule may say something about."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one member may have. None: no limit."""

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
        """Whether what its member has used or asked for so far matters."""
        limits = (self.waiting, self.day_seconds, self.week_seconds, self.day_pictures, self.week_pictures)
        return any(limit is not None for limit in (*limits, self.cooldown))


def resolve(rules: Iterable[RoleRule], guild_id: int | None, role_ids: Collection[int]) -> Allowance:
    """Return what a member of a guild with these roles may have; without limits in direct messages."""
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
