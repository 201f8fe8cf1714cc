"""Who will be next, and when: plays the line forward, by the same rule that chooses, with the durations expected now.

A forecast, not a promise: jobs come and go, and some of the rule (patience, loaded models) is left out. Pure.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bot.jobs.fairshare import LEAST, Share


@dataclass(frozen=True, slots=True)
class Waits:
    """A job in the line, as far as the forecast concerns it."""

    job_id: str
    account: str
    guild: str
    seconds: float
    """What it is expected to take."""
    weight: float = 1.0
    lane: int = 0
    """Lower lanes are served first."""
    waits_since: float = 0.0
    """Since when its account waits: of those who have used the same, who has waited longest is next."""


@dataclass(frozen=True, slots=True)
class Turn:
    """When a job's turn will come."""

    job_id: str
    position: int
    """From 1."""
    starts_in: float
    """Seconds from now."""


def forecast(
    line: Iterable[Waits],
    shares: Mapping[str, Share],
    busy: Iterable[float],
    *,
    now: float,
    limit: int,
    until: str | None = None,
) -> list[Turn]:
    """Return the next turns in their order: `limit` at most, and none after that of the job `until`.

    `line` has each account's jobs in their order; `shares` are those of accounts and of guilds, by id; `busy` says of
    each place on a server in how many seconds it will be free. Without places nothing is known of times: all are 0.
    """
    turns: list[Turn] = []
    places = list(busy)
    heapq.heapify(places)
    for job in islice(_served(line, shares, now), limit):
        free = places[0] if places else 0.0
        turns.append(Turn(job.job_id, len(turns) + 1, free))
        if job.job_id == until:
            break
        if places:
            heapq.heapreplace(places, free + job.seconds)
    return turns


def _served(line: Iterable[Waits], shares: Mapping[str, Share], now: float) -> Iterator[Waits]:
    """Yield the jobs in the order of their turns, one lane after the other."""
    lanes: dict[int, list[Waits]] = defaultdict(list)
    for job in line:
        lanes[job.lane].append(job)
    # At one moment, the order by what has been used is that by score
    used = {who: share.now(now) for who, share in shares.items()}
    for lane in sorted(lanes):
        crowd = _Crowd(lanes[lane], used)
        while (job := crowd.next()) is not None:
            yield job


class _Crowd:
    """Everybody who waits in a lane, by guild and account; what they have used grows as turns are given out."""

    def __init__(self, line: Sequence[Waits], used: dict[str, float]) -> None:
        self._used = used
        self._jobs: dict[str, deque[Waits]] = defaultdict(deque)
        self._accounts: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for job in line:
            self._jobs[job.account].append(job)
        for account, jobs in self._jobs.items():
            self._accounts[jobs[0].guild].append((used.get(account, 0.0), jobs[0].waits_since, account))
        for accounts in self._accounts.values():
            heapq.heapify(accounts)
        self._guilds = [(used.get(guild, 0.0), guild) for guild in self._accounts]
        heapq.heapify(self._guilds)

    def next(self) -> Waits | None:
        """Take out who is next; None when nobody is left."""
        if not self._guilds:
            return None
        _, guild = heapq.heappop(self._guilds)
        accounts = self._accounts[guild]
        _, since, account = heapq.heappop(accounts)
        jobs = self._jobs[account]
        job = jobs.popleft()
        more = self._charge(account, job.seconds / max(job.weight, LEAST))
        if jobs:
            heapq.heappush(accounts, (more, since, account))
        more = self._charge(guild, job.seconds)
        if accounts:
            heapq.heappush(self._guilds, (more, guild))
        return job

    def _charge(self, who: str, seconds: float) -> float:
        used = self._used[who] = self._used.get(who, 0.0) + seconds
        return used
