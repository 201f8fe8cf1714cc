"""A cached view of the queue: its order, running jobs, blocked jobs, and estimated starting times.

Read-only: the dispatcher claims jobs through the store. Between refreshes the last snapshot is updated with local
changes, so that commands are answered from memory, whatever the length of the queue.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.clock import Clock
from bot.i18n import Message, _
from bot.jobs.job import Job, JobState
from bot.jobs.repository import JobRepository, QueueEntry, QueueSnapshot
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.forecast import QueuedJob, forecast
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.status import QueuedStatus, QueuePosition, QueueStatus
from bot.policy.fair_share import Share
from bot.policy.terms import account_key, guild_key

HEAD_LENGTH = 500
"""Jobs at the head of the queue that are read; the rest is only counted."""
MAX_RUNNING = 200
"""Running jobs that are read."""
MAX_AGE = 2.0
"""Seconds for which a snapshot is good enough to answer commands."""
HYPOTHETICAL = ""
"""Stands for the id of a hypothetical job."""
DRAINED = _("The GPU servers are under maintenance. Your request will start afterwards.")


@dataclass(slots=True)
class _QueueCache:
    """A snapshot of the queue and the changes since."""

    snapshot: QueueSnapshot = field(default_factory=QueueSnapshot)
    running: Sequence[Job] = ()
    idle_in: Sequence[float] = ()
    """Seconds until each available server is idle."""
    at: float = float("-inf")
    entered: dict[str, QueuedJob] = field(default_factory=dict[str, QueuedJob])
    left: set[str] = field(default_factory=set[str])
    is_drained: bool = False
    shares: Mapping[str, Share] = field(default_factory=dict[str, Share])
    startable: list[QueuedJob] = field(default_factory=list[QueuedJob])
    blocked: list[tuple[QueueEntry, Message]] = field(default_factory=list[tuple[QueueEntry, Message]])

    def free(self) -> list[QueuedJob]:
        """Return the queued jobs that can start."""
        return [job for job in (*self.startable, *self.entered.values()) if job.job_id not in self.left]

    @property
    def total(self) -> int:
        known = {job.job_id for job in self.snapshot.waiting} | set(self.entered)
        return max(0, self.snapshot.total + len(self.entered) - len(self.left & known))

    @property
    def is_offline(self) -> bool:
        return not self.idle_in and not self.is_drained


class QueueView:
    """Answers questions about the queue from a cached snapshot."""

    def __init__(
        self,
        *,
        store: JobRepository,
        run_times: RunTimeEstimates,
        capacity: CapacityEstimator,
        blockers: StartBlockers,
        clock: Clock,
    ) -> None:
        self._store = store
        self._run_times = run_times
        self._capacity = capacity
        self._blockers = blockers
        self._clock = clock
        self._known: dict[str, Job] = {}
        self._cache = _QueueCache()
        self._lock = asyncio.Lock()

    @property
    def total(self) -> int:
        """Queue length according to the last snapshot and the changes since."""
        return self._cache.total

    def entered(self, job: Job) -> None:
        """Add a job that was queued since the last snapshot."""
        entry = self._entry(job.id, job.place.guild_id, job.requester.user_id, job.spec.workflow)
        self._cache.entered[job.id] = self._as_queued(entry, self._cache)

    def left(self, job_id: str) -> None:
        """Remove a job that was claimed or ended since the last snapshot."""
        self._cache.left.add(job_id)

    def invalidate(self) -> None:
        """Invalidate the snapshot: something was paused or resumed."""
        self._cache.at = float("-inf")

    def fleet_changed(self) -> None:
        """Invalidate everything known about the servers."""
        self._capacity.invalidate()
        self._blockers.invalidate()
        self.invalidate()

    async def expected_position(self, guild_id: int | None, user_id: int, workflow: str) -> QueuedStatus:
        """Return the status that one more job of a member would get now. Raises `DatabaseUnavailableError`."""
        cache = await self._cached()
        asked = self._entry(HYPOTHETICAL, guild_id, user_id, workflow)
        reason = self._reason(cache, asked)
        free = cache.free()
        if reason is not None:
            position, starts_in = len(free) + len(cache.blocked) + 1, None
        else:
            turn = self._forecast(cache, [*free, self._as_queued(asked, cache)], until=HYPOTHETICAL)[-1]
            position, starts_in = turn.position, turn.starts_in
        return QueuedStatus(
            position=position,
            total=cache.total + 1,
            starts_in=starts_in,
            offline=cache.is_offline,
            reason=reason,
        )

    async def status(self) -> QueueStatus:
        """Return the current queue. Raises `DatabaseUnavailableError`."""
        cache = await self._fresh()
        turns = self._positions(cache)
        jobs = await self._jobs(turn.job_id for turn in turns)
        return QueueStatus(
            running=sorted(cache.running, key=lambda job: job.started or self._clock.now()),
            waiting=[
                QueuePosition(job, turn.position, turn.starts_in, turn.reason)
                for turn in turns
                if (job := jobs.get(turn.job_id))
            ],
            total=cache.snapshot.total,
            is_offline=cache.is_offline,
        )

    # ------------------------------------------------------------------ snapshots

    async def _cached(self) -> _QueueCache:
        async with self._lock:
            if self._clock.monotonic() - self._cache.at <= MAX_AGE:
                return self._cache
            return await self._read()

    async def _fresh(self) -> _QueueCache:
        async with self._lock:
            return await self._read()

    async def _read(self) -> _QueueCache:
        cache = self._cache = _QueueCache(entered=self._cache.entered, left=self._cache.left)
        entered, left = set(cache.entered), set(cache.left)  # changes during the reads may be in the snapshot or not
        snapshot = await self._store.snapshot(HEAD_LENGTH)
        running = await self._store.browse((JobState.RUNNING,), limit=MAX_RUNNING)
        await self._blockers.refresh(job.cls for job in snapshot.waiting)
        cache.idle_in = await self._capacity.estimate(running)
        cache.is_drained = self._capacity.are_drained
        cache.snapshot, cache.running, cache.at = snapshot, running, self._clock.monotonic()
        known = entered | {job.job_id for job in snapshot.waiting}
        cache.entered = {job_id: job for job_id, job in cache.entered.items() if job_id not in known}
        cache.left -= left
        cache.shares = {**{key: each.share for key, each in snapshot.accounts.items()}, **snapshot.guilds}
        self._sort(cache)
        return cache

    async def _jobs(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Return the jobs with these ids, reading only those that are not cached."""
        jobs: dict[str, Job] = {}
        for job_id in job_ids:
            job = self._known.get(job_id) or await self._store.get(job_id)
            if job is not None:
                jobs[job_id] = job
        self._known = jobs
        return jobs

    # ------------------------------------------------------------------ forecasts

    def _entry(self, job_id: str, guild_id: int | None, user_id: int, workflow: str) -> QueueEntry:
        return QueueEntry(
            job_id=job_id,
            account=account_key(guild_id, user_id),
            user_id=user_id,
            guild=guild_key(guild_id),
            workflow=workflow,
            cls="",
            seconds=self._run_times.expect(workflow),
        )

    def _positions(self, cache: _QueueCache) -> list["_Position"]:
        """Return the startable jobs in order, followed by the blocked ones."""
        foreseen = self._forecast(cache, cache.free())
        return foreseen + [
            _Position(job.job_id, len(foreseen) + number, None, reason)
            for number, (job, reason) in enumerate(cache.blocked, start=1)
        ]

    def _forecast(
        self, cache: _QueueCache, free: Sequence[QueuedJob], *, until: str | None = None
    ) -> list["_Position"]:
        turns = forecast(free, cache.shares, cache.idle_in, now=self._clock.now(), limit=len(free), until=until)
        known = bool(cache.idle_in)
        return [_Position(turn.job_id, turn.position, turn.starts_in if known else None) for turn in turns]

    def _sort(self, cache: _QueueCache) -> None:
        """Split the snapshot into startable and blocked jobs."""
        cache.startable, cache.blocked = [], []
        for job in cache.snapshot.waiting:
            if (reason := self._reason(cache, job)) is None:
                cache.startable.append(self._as_queued(job, cache))
            else:
                cache.blocked.append((job, reason))

    def _reason(self, cache: _QueueCache, job: QueueEntry) -> Message | None:
        reason = self._blockers.of(job, cache.snapshot.accounts.get(job.account))
        return DRAINED if reason is None and cache.is_drained else reason

    def _as_queued(self, job: QueueEntry, cache: _QueueCache) -> QueuedJob:
        account = cache.snapshot.accounts.get(job.account)
        queued = QueuedJob(job.job_id, job.account, job.guild, self._run_times.expect(job.workflow))
        if account is None:
            return replace(queued, waits_since=self._clock.now())
        terms = account.terms
        return replace(queued, weight=terms.weight, lane=terms.lane, waits_since=account.waits_since)


@dataclass(frozen=True, slots=True)
class _Position:
    """A forecast position in the queue."""

    job_id: str
    position: int
    starts_in: float | None
    reason: Message | None = None
