"""Who is next: whoever has used least of the GPUs lately, for their weight. Pure; times come in as numbers.

What somebody used counts in GPU-seconds and fades: after `HALF_LIFE` half of it is forgotten. Fading multiplies
everybody by the same factor, so the order among people changes only when somebody uses something. A `score` is that
order as one number that never has to be brought up to date: the binary logarithm of the use, as it would have to be at
time zero to fade to what it is now.

A job is charged with its expected cost when a server takes it, so that two servers do not both choose the same member,
and the charge is corrected when its true cost is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2
from typing import Self

HALF_LIFE = 3600.0
"""Seconds after which half of what somebody used is forgotten: an evening's work is no burden on the next day."""
NEVER = -1e18
"""The score of those who used nothing."""
LEAST = 1e-9
"""GPU-seconds below which use counts as none."""
PATIENCE = 1800.0
"""Seconds after which somebody who waits, and got nothing meanwhile, is served before everybody else: a small weight or
a large past never means never."""
AFFINITY = 0.3
"""How much better a score looks, in powers of two, when the server has the right model loaded already."""


@dataclass(frozen=True, slots=True)
class Share:
    """What somebody (a member, a guild) has used: `used` weighted GPU-seconds, as they had faded at time `at`."""

    used: float = 0.0
    at: float = 0.0

    def now(self, now: float) -> float:
        """Return the use as it has faded by `now`."""
        return self.used * 2.0 ** (-max(0.0, now - self.at) / HALF_LIFE)

    def charged(self, seconds: float, *, weight: float, now: float) -> Self:
        """Return the share with `seconds` of GPU time more, or less when that is negative, for somebody of this weight.

        Twice the weight is twice the GPU time for the same share.
        """
        return type(self)(max(0.0, self.now(now) + seconds / max(weight, LEAST)), now)

    @property
    def score(self) -> float:
        """The number by which shares are compared: the lowest is next. It need not be kept up to date."""
        return log2(self.used) + self.at / HALF_LIFE if self.used > LEAST else NEVER


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody with a job that may be given to a server, as far as the choice concerns it."""

    account: str
    guild: str
    score: float
    guild_score: float
    waits_since: float
    """Since when the next job waits, or since its member was last given anything, whichever is later."""
    lane: int = 0
    """Lower lanes are served first, whatever was used: the moderators' lane is below 0."""
    is_loaded: bool = False
    """Whether the server has what the job needs loaded already."""


def order(candidates: Iterable[Candidate], now: float) -> list[Candidate]:
    """Return the candidates as they are to be tried, next first: lanes, then patience, then guilds, then members."""
    return sorted(candidates, key=lambda candidate: _key(candidate, now))


def _key(candidate: Candidate, now: float) -> tuple[float, ...] | tuple[float | str, ...]:
    has_waited = now - candidate.waits_since > PATIENCE
    if has_waited:
        return (candidate.lane, 0, candidate.waits_since, 0.0, candidate.account)
    bonus = AFFINITY if candidate.is_loaded else 0.0
    return (candidate.lane, 1, candidate.guild_score, candidate.score - bonus, candidate.account)


def jain(values: Iterable[float]) -> float:
    """Return how equal values are, from 1/n (one has everything) to 1 (all have the same): Jain's index."""
    numbers = list(values)
    squares = sum(number * number for number in numbers)
    return sum(numbers) ** 2 / (len(numbers) * squares) if squares else 1.0
