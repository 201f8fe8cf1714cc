"""Forecasts queue positions and starting times by simulating the dispatcher with estimated run times.

Only an estimate: jobs come and go, and starvation limit and model affinity are left out. Pure.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bot.policy.fair_share import MIN_WEIGHT, Share


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A queued job as the forecast sees it."""

    job_id: str
    account: str
    guild: str
    seconds: float
    """Estimated run time."""
    weight: float = 1.0
    lane: int = 0
    """Lower lanes are served first."""
    waits_since: float = 0.0
    """When its account started waiting: breaks ties between accounts with equal usage, longest wait first."""


@dataclass(frozen=True, slots=True)
class ForecastPosition:
    """The forecast for one job."""

    job_id: str
    position: int
    """From 1."""
    starts_in: float
    """Seconds from now."""


def forecast(
    queue: Iterable[QueuedJob],
    shares: Mapping[str, Share],
    idle_in: Iterable[float],
    *,
    now: float,
    limit: int,
    until: str | None = None,
) -> list[ForecastPosition]:
    """Return the next turns in order: at most `limit`, and none after that of the job `until`.

    `queue` holds each account's jobs in order; `shares` the usage of accounts and guilds by id; `idle_in` the seconds
    until each server slot is free. Without slots all times are 0.
    """
    turns: list[ForecastPosition] = []
    slots = list(idle_in)
    heapq.heapify(slots)
    for job in islice(_served(queue, shares, now), limit):
        free = slots[0] if slots else 0.0
        turns.append(ForecastPosition(job.job_id, len(turns) + 1, free))
        if job.job_id == until:
            break
        if slots:
            heapq.heapreplace(slots, free + job.seconds)
    return turns


def _served(queue: Iterable[QueuedJob], shares: Mapping[str, Share], now: float) -> Iterator[QueuedJob]:
    """Yield the jobs in dispatch order, one lane after the other."""
    lanes: dict[int, list[QueuedJob]] = defaultdict(list)
    for job in queue:
        lanes[job.lane].append(job)
    # At a fixed time, sorting by usage equals sorting by score
    used = {who: share.now(now) for who, share in shares.items()}
    for lane in sorted(lanes):
        fair_queue = _FairQueue(lanes[lane], used)
        while (job := fair_queue.next()) is not None:
            yield job


class _FairQueue:
    """The fair queue of one lane, by guild and account; usage grows as turns are assigned."""

    def __init__(self, queue: Sequence[QueuedJob], used: dict[str, float]) -> None:
        self._used = used
        self._jobs: dict[str, deque[QueuedJob]] = defaultdict(deque)
        self._accounts: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for job in queue:
            self._jobs[job.account].append(job)
        for account, jobs in self._jobs.items():
            self._accounts[jobs[0].guild].append((used.get(account, 0.0), jobs[0].waits_since, account))
        for accounts in self._accounts.values():
            heapq.heapify(accounts)
        self._guilds = [(used.get(guild, 0.0), guild) for guild in self._accounts]
        heapq.heapify(self._guilds)

    def next(self) -> QueuedJob | None:
        """Remove and return the next job; None when the lane is empty."""
        if not self._guilds:
            return None
        _, guild = heapq.heappop(self._guilds)
        accounts = self._accounts[guild]
        _, since, account = heapq.heappop(accounts)
        jobs = self._jobs[account]
        job = jobs.popleft()
        more = self._charge(account, job.seconds / max(job.weight, MIN_WEIGHT))
        if jobs:
            heapq.heappush(accounts, (more, since, account))
        more = self._charge(guild, job.seconds)
        if accounts:
            heapq.heappush(self._guilds, (more, guild))
        return job

    def _charge(self, who: str, seconds: float) -> float:
        used = self._used[who] = self._used.get(who, 0.0) + seconds
        return used
