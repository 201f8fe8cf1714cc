"""A community and its servers, simulated: who asks for what and when, who is served, and how long everybody waits.

Only the choice of the next job is the bot's own; it enters as a `Policy`, so that others can be compared with it.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from bot.policy.fair_share import (
    OVERTAKING_LIMIT,
    Candidate,
    Share,
    order,
)


@dataclass(frozen=True, slots=True)
class Order:
    """One job that somebody asks for."""

    member: str
    at: float
    seconds: float
    """What it takes of a GPU, with its model loaded."""
    model: str = ""
    """The model that it wants loaded; empty for none."""


@dataclass(slots=True)
class Community:
    """Members by name with their weights and guilds, and what they ask for."""

    weights: dict[str, float] = field(default_factory=dict)
    guilds: dict[str, str] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)

    def add(self, member: str, orders: Iterable[Order], *, weight: float = 1.0, guild: str = "") -> None:
        """Let somebody join who asks for these jobs."""
        self.weights[member], self.guilds[member] = weight, guild
        self.orders += orders


class Policy(Protocol):
    """Chooses what is served."""

    def choose(self, waiting: dict[str, deque[Order]], now: float, loaded: str) -> Order:
        """Return the job that is next on a server that has a model loaded; everybody in `waiting` has one."""
        ...

    def ended(self, member: str, seconds: float, now: float) -> None:
        """Take in what a job has really taken."""
        ...


class Fifo:
    """First come, first served."""

    def choose(self, waiting: dict[str, deque[Order]], now: float, loaded: str) -> Order:
        return min((orders[0] for orders in waiting.values()), key=lambda each: each.at)

    def ended(self, member: str, seconds: float, now: float) -> None:
        pass


class RoundRobin:
    """One job each, in turn."""

    def __init__(self) -> None:
        self._served: dict[str, int] = defaultdict(int)
        self._turn = 0

    def choose(self, waiting: dict[str, deque[Order]], now: float, loaded: str) -> Order:
        chosen = min(waiting, key=lambda member: (self._served[member], waiting[member][0].at))
        self._turn += 1
        self._served[chosen] = self._turn
        return waiting[chosen][0]

    def ended(self, member: str, seconds: float, now: float) -> None:
        pass


class FairShare:
    """The bot's own: charged by an estimate when a job is given out, corrected when it has ended."""

    ESTIMATE = 15.0

    def __init__(self, community: Community, *, affinity: bool = True) -> None:
        self._weights, self._guilds = community.weights, community.guilds
        self._affinity = affinity
        self._shares: dict[str, Share] = defaultdict(Share)
        self._of_guilds: dict[str, Share] = defaultdict(Share)
        self._given: dict[str, float] = defaultdict(float)

    def choose(self, waiting: dict[str, deque[Order]], now: float, loaded: str) -> Order:
        loaded = loaded if self._affinity else ""
        jobs = {member: self._job(orders, now, loaded) for member, orders in waiting.items()}
        candidates = [
            self._candidate(member, orders[0], jobs[member], now, loaded) for member, orders in waiting.items()
        ]
        chosen = order(candidates, now)[0].account
        self._charge(chosen, self.ESTIMATE, now)
        self._given[chosen] = now
        return jobs[chosen]

    def _job(self, orders: deque[Order], now: float, loaded: str) -> Order:
        if loaded and now - orders[0].at < OVERTAKING_LIMIT:
            return next((each for each in orders if each.model == loaded), orders[0])
        return orders[0]

    def _candidate(self, member: str, first: Order, job: Order, now: float, loaded: str) -> Candidate:
        share, guild = self._shares[member], self._guilds[member]
        return Candidate(
            account=member,
            guild=guild,
            score=share.score,
            guild_score=self._of_guilds[guild].score,
            waits_since=max(first.at, self._given[member]),
            is_loaded=loaded != "" and job.model == loaded,
            used=share.now(now),
        )

    def ended(self, member: str, seconds: float, now: float) -> None:
        self._charge(member, seconds - self.ESTIMATE, now)

    def _charge(self, member: str, seconds: float, now: float) -> None:
        guild = self._guilds[member]
        self._shares[member] = self._shares[member].charged(seconds, weight=self._weights[member], now=now)
        self._of_guilds[guild] = self._of_guilds[guild].charged(seconds, weight=1.0, now=now)


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Member → seconds from each order to its start."""
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Member → GPU-seconds."""
    switches: int = 0
    """How often a model was loaded."""
    end: float = 0.0
    """When all was done."""


class _Server:
    """A GPU: what it has loaded, and what it works on."""

    def __init__(self) -> None:
        self.loaded = ""

    def begin(self, job: Order, switch: float) -> tuple[float, bool]:
        """Return how long a job takes here, and whether its model has to be loaded for it."""
        switches = job.model not in ("", self.loaded)
        self.loaded = job.model or self.loaded
        return job.seconds + (switch if switches else 0.0), switches


def simulate(
    community: Community, policy: Policy, *, servers: int, until: float = float("inf"), switch: float = 0.0
) -> Outcome:
    """Let time pass until everything is done, or until a time. `switch` is what loading a model takes, in seconds."""
    outcome, waiting = Outcome(), defaultdict[str, deque[Order]](deque)
    arrivals = deque(sorted(community.orders, key=lambda each: each.at))
    running: list[tuple[float, int, Order, float, _Server]] = []
    free = [_Server() for _number in range(servers)]
    now, number = 0.0, 0
    while arrivals or waiting or running:
        while arrivals and arrivals[0].at <= now:
            arrived = arrivals.popleft()
            waiting[arrived.member].append(arrived)
        while waiting and free:
            server = free.pop(0)
            begun = policy.choose(waiting, now, server.loaded)
            waiting[begun.member].remove(begun)
            if not waiting[begun.member]:
                del waiting[begun.member]
            outcome.waits[begun.member].append(now - begun.at)
            seconds, switches = server.begin(begun, switch)
            outcome.switches += switches
            number += 1
            heapq.heappush(running, (now + seconds, number, begun, seconds, server))
        now = min([running[0][0]] if running else [], default=float("inf"))
        if arrivals:
            now = min(now, arrivals[0].at)
        if now >= until:
            break
        while running and running[0][0] <= now:
            _, _, done, seconds, server = heapq.heappop(running)
            free.append(server)
            outcome.used[done.member] += seconds
            policy.ended(done.member, seconds, now)
    outcome.end = now
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


def checkpoints(random: Random) -> Community:
    """Twelve members who ask for one of three models, each for their own one mostly, faster than servers can follow."""
    community = Community()
    models = ["anime", "photo", "painting"]
    for number in range(12):
        name, favourite = f"busy {number}", models[number % 3]
        orders = [
            Order(name, random.uniform(0, 900), random.uniform(8, 16), random.choice([favourite, favourite, *models]))
            for _ in range(30)
        ]
        community.add(name, orders)
    return community


def two_guilds(random: Random) -> Community:
    """A large guild and a small one, both with more work than there is time for."""
    community = Community()
    for guild, members in (("large", 9), ("small", 3)):
        for number in range(members):
            name = f"{guild} {number}"
            orders = [Order(name, random.uniform(0, 30), random.uniform(8, 16)) for _ in range(300)]
            community.add(name, orders, guild=guild)
    return community


def jain(values: Iterable[float]) -> float:
    """Return Jain's fairness index, from 1/n (one has everything) to 1 (all have the same)."""
    numbers = list(values)
    squares = sum(number * number for number in numbers)
    return sum(numbers) ** 2 / (len(numbers) * squares) if squares else 1.0
