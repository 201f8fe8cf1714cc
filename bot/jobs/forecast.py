"""Who will be next, and when: plays the line forward, by the same rule that chooses, with the durations expected now.

A forecast, not a promise: jobs come and go, and some of the rule (patience, loaded models) is left out. Pure.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.jobs.fairshare import Share


@dataclass(frozen=True, slots=True)
class Waits:
    """A job in the line, as far as the forecast concerns it."""

    job_id: str
    account: str
    guild: str
    seconds: float
    """What it is expected to take."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Turn:
    """When a job's turn will come."""

    job_id: str
    position: int
    """From 1."""
    starts_in: float
    """Seconds from now."""


def forecast(
    line: Sequence[Waits], shares: Mapping[str, Share], busy: Iterable[float], *, now: float, limit: int
) -> list[Turn]:
    """Return the next turns, `limit` at most, in their order.

    `line` has each account's jobs in their order; `shares` are those of accounts and of guilds, by id; `busy` says of
    each place on a server in how many seconds it will be free. Without places nothing is known of times: all are 0.
    """
    turns: list[Turn] = []
    crowd = _Crowd(line, shares, now)
    places = list(busy)
    heapq.heapify(places)
    while len(turns) < limit and (job := crowd.next()) is not None:
        free = places[0] if places else 0.0
        turns.append(Turn(job.job_id, len(turns) + 1, free))
        if places:
            heapq.heapreplace(places, free + job.seconds)
    return turns


class _Crowd:
    """Everybody who waits, by guild and account, with shares that grow as turns are given out."""

    def __init__(self, line: Sequence[Waits], shares: Mapping[str, Share], now: float) -> None:
        self._now = now
        self._shares = dict(shares)
        self._jobs: dict[str, deque[Waits]] = defaultdict(deque)
        self._accounts: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for job in line:
            self._jobs[job.account].append(job)
        for account, jobs in self._jobs.items():
            self._accounts[jobs[0].guild].append((self._score(account), account))
        for accounts in self._accounts.values():
            heapq.heapify(accounts)
        self._guilds = [(self._score(guild), guild) for guild in self._accounts]
        heapq.heapify(self._guilds)

    def next(self) -> Waits | None:
        """Take out who is next; None when nobody is left."""
        if not self._guilds:
            return None
        _, guild = heapq.heappop(self._guilds)
        accounts = self._accounts[guild]
        _, account = heapq.heappop(accounts)
        job = self._jobs[account].popleft()
        for who, weight in ((account, job.weight), (guild, 1.0)):
            self._shares[who] = self._shares.get(who, Share()).charged(job.seconds, weight=weight, now=self._now)
        if self._jobs[account]:
            heapq.heappush(accounts, (self._score(account), account))
        if accounts:
            heapq.heappush(self._guilds, (self._score(guild), guild))
        return job

    def _score(self, who: str) -> float:
        return self._shares.get(who, Share()).score
