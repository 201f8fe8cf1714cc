"""Where jobs are kept. Every change of state goes through one `JobStore`, so that one object can make it durable.

`MemoryStore` lives as long as the process. All methods are coroutines although memory needs none: callers must not
come to rely on a store that answers at once.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from bot.jobs.job import IllegalMoveError, Job, JobState

KEPT_FINISHED = 500
"""Finished jobs that the memory store remembers, newest first; older ones are forgotten."""


class DuplicateJobError(Exception):
    """A job for this interaction exists: the gateway delivered one event twice."""


class JobStore(Protocol):
    """The jobs of one installation."""

    async def add(self, job: Job) -> None:
        """Keep a new job. Raises `DuplicateJobError` when its interaction was seen before."""
        ...

    async def get(self, job_id: str) -> Job | None:
        """Return the newest version of a job."""
        ...

    async def move(self, job: Job, state: JobState, **changes: Any) -> Job:
        """Carry out a state change and return the new version.

        Raises `IllegalMoveError` when `job` is not the newest version, or the move is not legal.
        """
        ...

    async def claim(self, server: str, prompt_id: str, now: float) -> Job | None:
        """Give the next queued job to a server: it is RUNNING from here on. None when nothing waits."""
        ...

    async def queued(self) -> Sequence[Job]:
        """Return everything that waits for a server, next first."""
        ...

    async def unfinished(self) -> Sequence[Job]:
        """Return everything that has not ended."""
        ...

    async def count_waiting(self, user_id: int) -> int:
        """Return how many jobs of one member wait (held or queued)."""
        ...


def _without_pictures(job: Job) -> Job:
    return replace(job, spec=replace(job.spec, uploads=(), graph={}))


class MemoryStore:
    """The store of a process that may forget: first come, first served."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._queue: OrderedDict[str, None] = OrderedDict()
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._interactions: set[int] = set()

    async def add(self, job: Job) -> None:
        """See `JobStore.add`."""
        if job.place.interaction_id in self._interactions:
            raise DuplicateJobError(job.id)
        self._interactions.add(job.place.interaction_id)
        self._keep(job)

    async def get(self, job_id: str) -> Job | None:
        """See `JobStore.get`."""
        return self._jobs.get(job_id)

    async def move(self, job: Job, state: JobState, **changes: Any) -> Job:
        """See `JobStore.move`."""
        current = self._jobs.get(job.id)
        if current is None or (current.state, current.attempts) != (job.state, job.attempts):
            raise IllegalMoveError(f"job {job.id} is not {job.state} any more")
        moved = current.moved(state, **changes)
        self._keep(moved)
        return moved

    async def claim(self, server: str, prompt_id: str, now: float) -> Job | None:
        """See `JobStore.claim`."""
        if not self._queue:
            return None
        job = self._jobs[next(iter(self._queue))]
        claimed = job.moved(
            JobState.RUNNING, server=server, prompt_id=prompt_id, started=now, attempts=job.attempts + 1
        )
        self._keep(claimed)
        return claimed

    async def queued(self) -> Sequence[Job]:
        """See `JobStore.queued`."""
        return [self._jobs[job_id] for job_id in self._queue]

    async def unfinished(self) -> Sequence[Job]:
        """See `JobStore.unfinished`."""
        return [job for job in self._jobs.values() if not job.state.is_final]

    async def count_waiting(self, user_id: int) -> int:
        """See `JobStore.count_waiting`."""
        waiting = (JobState.HELD, JobState.QUEUED)
        return sum(job.requester.user_id == user_id and job.state in waiting for job in self._jobs.values())

    def _keep(self, job: Job) -> None:
        known = job.id in self._jobs
        self._jobs[job.id] = _without_pictures(job) if job.state.is_final else job
        self._queue.pop(job.id, None)
        if job.state is JobState.QUEUED:
            self._queue[job.id] = None
            if known:  # it had its turn and lost it through no fault of its own: back to where it was
                in_order = sorted(self._queue, key=lambda job_id: self._jobs[job_id].created)
                self._queue = OrderedDict.fromkeys(in_order)
        elif job.state.is_final:
            self._finished[job.id] = None
            self._forget_old()

    def _forget_old(self) -> None:
        while len(self._finished) > KEPT_FINISHED:
            job_id, _ = self._finished.popitem(last=False)
            self._interactions.discard(self._jobs.pop(job_id).place.interaction_id)
