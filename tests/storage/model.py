"""The store as a child would build it: a dictionary of jobs in the order they came, and what everybody has used."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from bot.jobs.job import TRANSITIONS, Delivery, Job, JobState
from bot.policy import pauses
from bot.policy.fair_share import (
    OVERTAKING_LIMIT,
    Candidate,
    Share,
    decay,
    order,
)
from bot.policy.terms import QueueTerms, account_key, guild_key
from bot.storage.jobs.recovery import HELD_TOO_LONG
from bot.storage.jobs.transitions import GRACE

ON_SERVER = (JobState.RUNNING, JobState.DELIVERING)
NO_END: dict[str, Any] = {
    "finished": 0.0, "outputs": (), "note": None, "error": None, "delivery": Delivery.NONE, "tries": 0,
    "not_before": 0.0,
}  # fmt: skip


@dataclass
class Account:
    """A member in a guild."""

    waits_since: float
    terms: QueueTerms = field(default_factory=QueueTerms)
    share: Share = field(default_factory=Share)


def key(job: Job) -> str:
    return account_key(job.place.guild_id, job.requester.user_id)


def guild(job: Job) -> str:
    return guild_key(job.place.guild_id)


@dataclass
class Model:
    """Jobs by id, in the order they came, and who has which server. None stands for a refusal."""

    jobs: dict[str, Job] = field(default_factory=dict)
    leases: dict[str, str] = field(default_factory=dict)
    charged: dict[tuple[str, int], float] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    guilds: dict[str, Share] = field(default_factory=dict)
    charges: dict[str, float] = field(default_factory=dict)
    """When each job was last charged for."""
    paused: set[str] = field(default_factory=set)
    """Scopes that are paused."""
    drained: set[str] = field(default_factory=set)
    fits: set[tuple[str, str]] = field(default_factory=set)
    """Servers, and classes of jobs that they can run."""

    def _keep(self, job: Job) -> Job:
        self.jobs[job.id] = job
        return job

    def add(self, job: Job, terms: QueueTerms | None, now: float) -> bool:
        if any(job.place.interaction_id == each.place.interaction_id for each in self.jobs.values()):
            return job.id in self.jobs
        self._enters(job, now)
        if terms is not None:
            self.accounts[key(job)].terms = terms
        self.guilds.setdefault(guild(job), Share())
        self._keep(job)
        return True

    def _enters(self, job: Job, now: float) -> None:
        account = self.accounts.setdefault(key(job), Account(now))
        if job.state is JobState.QUEUED and not self._count(key(job), JobState.QUEUED):
            account.waits_since = now

    def _count(self, account: str, state: JobState) -> int:
        return sum(key(job) == account and job.state is state for job in self.jobs.values())

    def _charge(self, job: Job, seconds: float, now: float) -> None:
        account = self.accounts[key(job)]
        account.share = account.share.charged(seconds, weight=account.terms.weight, now=now)
        self.guilds[guild(job)] = self.guilds[guild(job)].charged(seconds, weight=1.0, now=now)

    def line(self) -> list[str]:
        return [job.id for job in self.jobs.values() if job.state is JobState.QUEUED]

    def hold(self, server: str, owner: str) -> bool:
        return self.leases.setdefault(server, owner) == owner

    def release(self, owner: str) -> None:
        self.leases = {server: each for server, each in self.leases.items() if each != owner}

    def claim(self, server: str, owner: str, prompt_id: str, now: float, loaded: str) -> Job | None:
        if self.leases.get(server) != owner or server in self.drained or pauses.EVERYTHING in self.paused:
            return None
        able = {name: job for name in self.accounts if (job := self._first(name, server, now))}
        warm = {name: self._warm(name, server, now, loaded) for name in able}
        candidates = [self._candidate(name, job, warm[name] is not None, now) for name, job in able.items()]
        if not candidates:
            return None
        name = order(candidates, now)[0].account
        job = warm[name] or able[name]
        self.accounts[name].waits_since = now
        self._charge(job, job.estimate, now)
        self.charges[job.id] = now
        return self._keep(replace(
            job, state=JobState.RUNNING, server=server, prompt_id=prompt_id, started=now, not_before=0.0,
            epoch=job.epoch + 1, attempts=job.attempts + 1, posted=False,
        ))  # fmt: skip

    def _candidate(self, name: str, job: Job, is_loaded: bool, now: float) -> Candidate:
        account, share = self.accounts[name], self.guilds[guild(job)]
        return Candidate(
            account=name, guild=guild(job), score=account.share.score, guild_score=share.score,
            waits_since=account.waits_since, lane=account.terms.lane, is_loaded=is_loaded, used=account.share.now(now),
        )  # fmt: skip

    def _startable(self, account: str, server: str, now: float) -> list[Job]:
        cap = self.accounts[account].terms.cap
        if cap is not None and self._count(account, JobState.RUNNING) >= cap:
            return []
        return [
            job
            for job in self.jobs.values()
            if key(job) == account and job.state is JobState.QUEUED and job.not_before <= now
            if job.spec.needs.cls == "" or (server, job.spec.needs.cls) in self.fits
            if not self.paused & self._scopes(job)
        ]

    def _first(self, account: str, server: str, now: float) -> Job | None:
        return next(iter(self._startable(account, server, now)), None)

    def _warm(self, account: str, server: str, now: float, loaded: str) -> Job | None:
        startable = self._startable(account, server, now)
        warm = next((job for job in startable if loaded and job.spec.needs.model == loaded), None)
        return warm if warm is startable[0] or now - startable[0].created < OVERTAKING_LIMIT else None

    def _scopes(self, job: Job) -> set[str]:
        return set(pauses.scopes_of(guild=guild(job), workflow=job.spec.workflow, account=key(job)))

    def move(self, held: Job, state: JobState, now: float, **changes: Any) -> Job | None:
        job = self.jobs.get(held.id)
        if job is None or (job.state, job.epoch) != (held.state, held.epoch) or state not in TRANSITIONS[job.state]:
            return None
        if state is JobState.QUEUED:
            changes = {**NO_END, **changes, "epoch": job.epoch + 1}
        elif state is not JobState.RUNNING and not changes.get("finished", job.finished):
            changes["finished"] = now
        if changes.get("delivery") is Delivery.PENDING:
            changes.setdefault("not_before", changes.get("finished", now) + GRACE)
        moved = replace(job, state=state, **changes)
        if job.state is JobState.RUNNING:
            self._settle(job, moved, now)
        else:
            self._enters(moved, now)
        return self._keep(moved)

    def _settle(self, job: Job, moved: Job, now: float) -> None:
        seconds = max(0.0, (moved.finished or now) - job.started) if job.posted else 0.0
        if job.posted:
            self.charged[moved.id, moved.epoch] = seconds
        owed = 0.0 if moved.state is JobState.QUEUED else seconds
        self._charge(job, owed - job.estimate * decay(self.charges[job.id], now), now)

    def note(self, held: Job, **changes: Any) -> Job | None:
        job = self.jobs.get(held.id)
        if job is None or (job.state, job.epoch) != (held.state, held.epoch):
            return None
        return self._keep(replace(job, **changes))

    def admit(self, held: Job, now: float) -> Job | None:
        if held.state is not JobState.HELD:
            held = replace(held, state=JobState.HELD)
        return self.move(held, JobState.QUEUED, now, holder="")

    def _take_over(self, takes: Callable[[Job], bool], **changes: Any) -> list[Job]:
        return [
            self._keep(replace(job, epoch=job.epoch + 1, **changes)) for job in list(self.jobs.values()) if takes(job)
        ]

    def seize(self, job_id: str) -> Job | None:
        return next(iter(self._take_over(lambda job: job.id == job_id)), None)

    def adopt(self, server: str, owner: str) -> list[Job]:
        if self.leases.get(server) != owner:
            return []
        return self._take_over(lambda job: job.server == server and (job.state in ON_SERVER or _untold(job)))

    def strays(self, owner: str, servers: Collection[str], now: float, alone: bool) -> list[Job]:
        def stray(job: Job) -> bool:
            if job.state is JobState.HELD:
                return job.holder != "" and (alone or job.holder == owner or job.created <= now - HELD_TOO_LONG)
            return job.state in ON_SERVER and job.server not in servers and job.server not in self.leases

        return self._take_over(stray)

    def take_untold(self, owner: str, now: float, until: float) -> Job | None:
        due = [
            job
            for job in self.jobs.values()
            if _untold(job) and job.not_before <= now and self.leases.get(job.server, owner) == owner
        ]
        if not due:
            return None
        first = min(due, key=lambda job: job.not_before)
        return self._take_over(lambda job: job.id == first.id, not_before=until)[0]

    def prune(self, before: float) -> set[str]:
        old = {
            job.id
            for job in self.jobs.values()
            if job.state.is_final and job.delivery is not Delivery.PENDING and job.finished < before
        }
        for job_id in old:
            del self.jobs[job_id]
        return old


def _untold(job: Job) -> bool:
    return job.delivery is Delivery.PENDING and (job.state is JobState.DELIVERING or job.state.is_final)
