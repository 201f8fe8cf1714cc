"""The store as a child would build it: a dictionary of jobs in the order they came."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from bot.jobs.job import MOVES, Delivery, Job, JobState
from bot.jobs.store.changes import GRACE
from bot.jobs.store.recovery import HELD_TOO_LONG

ON_SERVER = (JobState.RUNNING, JobState.DELIVERING)
NO_END: dict[str, Any] = {
    "finished": 0.0, "outputs": (), "note": None, "error": None, "delivery": Delivery.NONE, "tries": 0,
    "not_before": 0.0,
}  # fmt: skip


@dataclass
class Model:
    """Jobs by id, in the order they came, and who has which server. None stands for a refusal."""

    jobs: dict[str, Job] = field(default_factory=dict)
    leases: dict[str, str] = field(default_factory=dict)
    charged: dict[tuple[str, int], float] = field(default_factory=dict)

    def _keep(self, job: Job) -> Job:
        self.jobs[job.id] = job
        return job

    def add(self, job: Job) -> bool:
        if any(job.place.interaction_id == each.place.interaction_id for each in self.jobs.values()):
            return job.id in self.jobs
        self._keep(job)
        return True

    def line(self) -> list[str]:
        return [job.id for job in self.jobs.values() if job.state is JobState.QUEUED]

    def hold(self, server: str, owner: str) -> bool:
        return self.leases.setdefault(server, owner) == owner

    def release(self, owner: str) -> None:
        self.leases = {server: each for server, each in self.leases.items() if each != owner}

    def claim(self, server: str, owner: str, prompt_id: str, now: float) -> Job | None:
        if self.leases.get(server) != owner:
            return None
        for job in self.jobs.values():
            if job.state is JobState.QUEUED and job.not_before <= now:
                return self._keep(replace(
                    job, state=JobState.RUNNING, server=server, prompt_id=prompt_id, started=now, not_before=0.0,
                    epoch=job.epoch + 1, attempts=job.attempts + 1, posted=False,
                ))  # fmt: skip
        return None

    def move(self, held: Job, state: JobState, now: float, **changes: Any) -> Job | None:
        job = self.jobs.get(held.id)
        if job is None or (job.state, job.epoch) != (held.state, held.epoch) or state not in MOVES[job.state]:
            return None
        if state is JobState.QUEUED:
            changes = {**NO_END, **changes, "epoch": job.epoch + 1}
        elif state is not JobState.RUNNING and not changes.get("finished", job.finished):
            changes["finished"] = now
        if changes.get("delivery") is Delivery.PENDING:
            changes.setdefault("not_before", changes.get("finished", now) + GRACE)
        moved = self._keep(replace(job, state=state, **changes))
        if job.state is JobState.RUNNING and job.posted:
            self.charged[moved.id, moved.epoch] = max(0.0, (moved.finished or now) - job.started)
        return moved

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
