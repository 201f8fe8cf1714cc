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
from itertools import groupby
from math import log2
from typing import Self

HALF_LIFE = 3600.0
"""Seconds after which half of what somebody used is forgotten: an evening's work is no burden on the next day."""
NEVER = -1e18
"""The score of those who used nothing."""
LEAST = 1e-9
"""Weighted GPU-seconds that count as none; and the smallest weight."""
HEAVIEST = 1e6
"""The largest weight."""
MOST = 1e15
"""Weighted GPU-seconds that nobody uses at once: more comes from a fault, and must not make numbers overflow."""
OLDEST = 1000.0
"""Half-lives after which use fades no more: nothing is left of it, and PostgreSQL refuses numbers that are smaller."""
PATIENCE = 1800.0
"""Seconds after which somebody who waits, and got nothing meanwhile, is served before everybody else: a small weight or
a large past never means never."""
AFFINITY = 1.0
"""By how much, in powers of two, somebody may have used more than who is next, to be served before them because the
server has the right model loaded already."""
AFFINITY_SECONDS = 60.0
"""The same in weighted GPU-seconds: about what a few loads of a model take."""
OWN_ORDER = 300.0
"""Seconds for which somebody's own jobs may be overtaken by later ones of theirs whose model is loaded already."""


@dataclass(frozen=True, slots=True)
class Share:
    """What somebody (a member, a guild) has used: `used` weighted GPU-seconds, as they had faded at time `at`."""

    used: float = 0.0
    at: float = 0.0

    def now(self, now: float) -> float:
        """Return the use as it has faded by `now`."""
        return self.used * fading(self.at, now)

    def charged(self, seconds: float, *, weight: float, now: float) -> Self:
        """Return the share with `seconds` of GPU time more, or less when that is negative, for somebody of this weight.

        Twice the weight is twice the GPU time for the same share.
        """
        used = self.now(now) + min(MOST, seconds / min(HEAVIEST, max(LEAST, weight)))
        return type(self)(used if used > LEAST else 0.0, now)

    @property
    def score(self) -> float:
        """The number by which shares are compared: the lowest is next. It need not be kept up to date."""
        return log2(self.used) + self.at / HALF_LIFE if self.used > LEAST else NEVER


def fading(since: float, now: float) -> float:
    """Return by what use has to be multiplied when it fades from `since` to `now`."""
    return 2.0 ** -min(OLDEST, max(0.0, now - since) / HALF_LIFE)


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
    used: float = 0.0
    """Weighted GPU-seconds, as they have faded by now; they limit what a loaded model is worth."""


def order(candidates: Iterable[Candidate], now: float) -> list[Candidate]:
    """Return the candidates as they are to be tried, next first: lanes, then patience, then guilds, then members.

    Among the members of a guild a loaded model lets somebody overtake who is next, within `AFFINITY`; but nobody who
    has used nothing yet is overtaken, nor who has waited for too long.
    """

    def is_patient(candidate: Candidate) -> bool:
        return now - candidate.waits_since > PATIENCE

    def group(candidate: Candidate) -> tuple[int, bool, float, str]:
        if is_patient(candidate):
            return (candidate.lane, False, 0.0, "")
        return (candidate.lane, True, candidate.guild_score, candidate.guild)

    ordered: list[Candidate] = []
    for _key, together in groupby(sorted(candidates, key=group), key=group):
        some = list(together)
        by_patience = is_patient(some[0])
        ordered += sorted(some, key=lambda each: (each.waits_since, each.account)) if by_patience else _fairest(some)
    return ordered


def _fairest(members: Iterable[Candidate]) -> list[Candidate]:
    ranks = sorted(members, key=lambda each: (each.score, not each.is_loaded, each.waits_since, each.account))
    first = ranks[0]
    if first.is_loaded or first.score <= NEVER:
        return ranks
    return sorted(ranks, key=lambda each: not _may_overtake(each, first))  # keeps the order of those who are alike


def _may_overtake(candidate: Candidate, first: Candidate) -> bool:
    is_close = candidate.score <= first.score + AFFINITY and candidate.used <= first.used + AFFINITY_SECONDS
    return candidate.is_loaded and is_close


def jain(values: Iterable[float]) -> float:
    """Return how equal values are, from 1/n (one has everything) to 1 (all have the same): Jain's index."""
    numbers = list(values)
    squares = sum(number * number for number in numbers)
    return sum(numbers) ** 2 / (len(numbers) * squares) if squares else 1.0
