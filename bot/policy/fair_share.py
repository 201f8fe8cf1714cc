"""Weighted fair sharing: next is whoever has used the least GPU time recently, relative to their weight. Pure.

Usage is counted in GPU-seconds and decays with `HALF_LIFE`. Decay multiplies everyone's usage by the same factor, so
the order changes only when someone uses something. A `score` expresses this order as a constant: the binary logarithm
of the usage at time zero that would have decayed to the current value.

A job is charged with its estimated cost when a server claims it, so that two servers do not both pick the same member;
the charge is corrected when the true cost is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import log2
from typing import Self

HALF_LIFE = 3600.0
"""Seconds after which half of the usage is forgotten: an evening's usage has no effect on the next day."""
NO_USAGE_SCORE = -1e18
"""The score of an account without usage."""
MIN_WEIGHT = 1e-9
"""Weighted GPU-seconds that count as none; also the smallest weight."""
MAX_WEIGHT = 1e6
MAX_CHARGE = 1e15
"""Cap on weighted GPU-seconds per charge: more can only be a bug and could overflow."""
MAX_HALF_LIVES = 1000.0
"""Maximum half-lives of decay: nothing is left by then, and PostgreSQL rejects smaller numbers."""
STARVATION_LIMIT = 1800.0
"""Seconds after which a member who got nothing meanwhile is served first, whatever their weight and
usage."""
AFFINITY = 1.0
"""Maximum lead in usage, in powers of two, over the next member for being served first because the server already has
the right model loaded."""
AFFINITY_SECONDS = 60.0
"""The same limit in weighted GPU-seconds: about the time of a few model loads."""
OVERTAKING_LIMIT = 300.0
"""Seconds for which a member's jobs may be overtaken by their own later jobs whose model is already loaded."""


@dataclass(frozen=True, slots=True)
class Share:
    """Usage of a member or guild: `used` weighted GPU-seconds, decayed to time `at`."""

    used: float = 0.0
    at: float = 0.0

    def now(self, now: float) -> float:
        """Return the usage decayed to `now`."""
        return self.used * decay(self.at, now)

    def charged(self, seconds: float, *, weight: float, now: float) -> Self:
        """Return the share with `seconds` of GPU time added, or subtracted if negative, divided by the weight."""
        used = self.now(now) + min(MAX_CHARGE, seconds / min(MAX_WEIGHT, max(MIN_WEIGHT, weight)))
        return type(self)(used if used > MIN_WEIGHT else 0.0, now)

    @property
    def score(self) -> float:
        """The sort key of shares, lowest first. It stays valid over time."""
        return log2(self.used) + self.at / HALF_LIFE if self.used > MIN_WEIGHT else NO_USAGE_SCORE


def decay(since: float, now: float) -> float:
    """Return the factor by which usage decays from `since` to `now`."""
    return 2.0 ** -min(MAX_HALF_LIVES, max(0.0, now - since) / HALF_LIFE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member with a job that a server could claim."""

    account: str
    guild: str
    score: float
    guild_score: float
    waits_since: float
    """When the next job entered the queue or the member was last served, whichever is later."""
    lane: int = 0
    """Lower lanes are always served first; the priority lane is below 0."""
    is_loaded: bool = False
    """Whether the server already has the job's models loaded."""
    used: float = 0.0
    """Weighted GPU-seconds, decayed to now; limits the advantage of a loaded model."""


def order(candidates: Iterable[Candidate], now: float) -> list[Candidate]:
    """Sort candidates, next first: by lane, then starvation limit, then guild, then member.

    Within a guild, a member whose model is loaded may overtake the next one within `AFFINITY`, but never a member
    without any usage or one beyond the starvation limit.
    """

    def is_starving(candidate: Candidate) -> bool:
        return now - candidate.waits_since > STARVATION_LIMIT

    def group(candidate: Candidate) -> tuple[int, bool, float, str]:
        if is_starving(candidate):
            return (candidate.lane, False, 0.0, "")
        return (candidate.lane, True, candidate.guild_score, candidate.guild)

    ordered: list[Candidate] = []
    for _key, together in groupby(sorted(candidates, key=group), key=group):
        some = list(together)
        are_starving = is_starving(some[0])
        ordered += sorted(some, key=lambda each: (each.waits_since, each.account)) if are_starving else _fairest(some)
    return ordered


def _fairest(members: Iterable[Candidate]) -> list[Candidate]:
    ranks = sorted(members, key=lambda each: (each.score, not each.is_loaded, each.waits_since, each.account))
    first = ranks[0]
    if first.is_loaded or first.score <= NO_USAGE_SCORE:
        return ranks
    return sorted(ranks, key=lambda each: not _may_overtake(each, first))  # stable: equals keep their order


def _may_overtake(candidate: Candidate, first: Candidate) -> bool:
    is_close = candidate.score <= first.score + AFFINITY and candidate.used <= first.used + AFFINITY_SECONDS
    return candidate.is_loaded and is_close
