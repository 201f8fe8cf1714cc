"""A community and its servers, simulated: who asks for what and when, who is served, and how long everybody waits.

Only the choice of the next job is the bot's own; it enters as a `Policy`, so that others can be compared with it.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from bot.jobs.fairshare import Candidate, Share, order


@dataclass(frozen=True, slots=True)
class Order:
    """One job that somebody asks for."""

    member: str
    at: float
    seconds: float
    """What it takes of a GPU."""


@dataclass(slots=True)
class Community:
    """Members by name with their weights, and what they ask for."""

    weights: dict[str, float] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)

    def add(self, member: str, orders: Iterable[Order], *, weight: float = 1.0) -> None:
        """Let somebody join who asks for these jobs."""
        self.weights[member] = weight
        self.orders += orders


class Policy(Protocol):
    """Chooses who is served."""

    def choose(self, waiting: dict[str, deque[Order]], now: float) -> str:
        """Return the member whose oldest job is next; everybody in `waiting` has one."""
        ...

    def ended(self, member: str, seconds: float, now: float) -> None:
        """Take in what a job has really taken."""
        ...


class Fifo:
    """First come, first served."""

    def choose(self, waiting: dict[str, deque[Order]], now: float) -> str:
        return min(waiting, key=lambda member: waiting[member][0].at)

    def ended(self, member: str, seconds: float, now: float) -> None:
        pass


class RoundRobin:
    """One job each, in turn."""

    def __init__(self) -> None:
        self._served: dict[str, int] = defaultdict(int)
        self._turn = 0

    def choose(self, waiting: dict[str, deque[Order]], now: float) -> str:
        chosen = min(waiting, key=lambda member: (self._served[member], waiting[member][0].at))
        self._turn += 1
        self._served[chosen] = self._turn
        return chosen

    def ended(self, member: str, seconds: float, now: float) -> None:
        pass


class FairShare:
    """The bot's own: charged by an estimate when a job is given out, corrected when it has ended."""

    ESTIMATE = 15.0

    def __init__(self, weights: dict[str, float]) -> None:
        self._weights = weights
        self._shares: dict[str, Share] = defaultdict(Share)
        self._given: dict[str, float] = defaultdict(float)

    def choose(self, waiting: dict[str, deque[Order]], now: float) -> str:
        candidates = [
            Candidate(
                account=member,
                guild="",
                score=self._shares[member].score,
                guild_score=0.0,
                waits_since=max(orders[0].at, self._given[member]),
            )
            for member, orders in waiting.items()
        ]
        chosen = order(candidates, now)[0].account
        self._charge(chosen, self.ESTIMATE, now)
        self._given[chosen] = now
        return chosen

    def ended(self, member: str, seconds: float, now: float) -> None:
        self._charge(member, seconds - self.ESTIMATE, now)

    def _charge(self, member: str, seconds: float, now: float) -> None:
        self._shares[member] = self._shares[member].charged(seconds, weight=self._weights[member], now=now)


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Member → seconds from each order to its start."""
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Member → GPU-seconds."""


def simulate(community: Community, policy: Policy, *, servers: int, until: float = float("inf")) -> Outcome:
    """Let time pass until everything is done, or until a time."""
    outcome, waiting = Outcome(), defaultdict[str, deque[Order]](deque)
    arrivals = deque(sorted(community.orders, key=lambda each: each.at))
    running: list[tuple[float, int, Order]] = []
    now, number = 0.0, 0
    while arrivals or waiting or running:
        while arrivals and arrivals[0].at <= now:
            arrived = arrivals.popleft()
            waiting[arrived.member].append(arrived)
        while waiting and len(running) < servers:
            member = policy.choose(waiting, now)
            begun = waiting[member].popleft()
            if not waiting[member]:
                del waiting[member]
            outcome.waits[member].append(now - begun.at)
            number += 1
            heapq.heappush(running, (now + begun.seconds, number, begun))
        now = min([running[0][0]] if running else [], default=float("inf"))
        if arrivals:
            now = min(now, arrivals[0].at)
        if now >= until:
            break
        while running and running[0][0] <= now:
            _, _, done = heapq.heappop(running)
            outcome.used[done.member] += done.seconds
            policy.ended(done.member, done.seconds, now)
    return outcome


def flood(random: Random) -> Community:
    """One member asks for 200 pictures at once; nine others for one now and then."""
    community = Community()
    community.add("whale", [Order("whale", 0.0, random.uniform(8, 16)) for _ in range(200)])
    for number in range(9):
        name = f"casual {number}"
        times = [random.uniform(10, 1200) for _ in range(4)]
        community.add(name, [Order(name, at, random.uniform(8, 16)) for at in times])
    return community


def mixed_hour(random: Random) -> Community:
    """Everybody asks for more than there is: short and long jobs, small and large weights."""
    community = Community()
    kinds = [(4, 1.0), (12, 1.0), (12, 2.0), (30, 1.0), (30, 2.0), (60, 1.0), (90, 3.0)]
    for number, (seconds, weight) in enumerate(kinds):
        name = f"busy {number}"
        orders = [
            Order(name, random.uniform(0, 30), seconds * random.uniform(0.7, 1.3)) for _ in range(int(8000 / seconds))
        ]
        community.add(name, orders, weight=weight)
    for number in range(5):
        name = f"casual {number}"
        community.add(name, [Order(name, random.uniform(0, 3600), 12.0) for _ in range(3)])
    return community
