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
from bot.jobs.status import QueuePosition, QueueStatus
from bot.policy.fair_share import Share
from bot.policy.terms import account_key, guild_key

HEAD = 500
"""Jobs at the head of the queue that are read; the rest is only counted."""
RUNNING = 200
"""Running jobs that are read."""
MAX_AGE = 2.0
"""Seconds for which a snapshot is good enough to answer commands."""
HYPOTHETICAL = ""
"""Stands for the id of a hypothetical job."""
DRAINED = _("The GPU servers are under maintenance. Your request will start afterwards.")


@dataclass(frozen=True, slots=True)
class ExpectedPosition:
    """What a new job could expect."""

    position: int
    total: int
    starts_in: float | None
    is_offline: bool
    reason: Message | None = None


@dataclass(slots=True)
class _QueueCache:
    """A snapshot of the queue and the changes since."""

    snapshot: QueueSnapshot = field(default_factory=QueueSnapshot)
    running: Sequence[Job] = ()
    places: Sequence[float] = ()
    at: float = float("-inf")
    came: dict[str, QueuedJob] = field(default_factory=dict[str, QueuedJob])
    left: set[str] = field(default_factory=set[str])
    is_drained: bool = False
    shares: Mapping[str, Share] = field(default_factory=dict[str, Share])
    may_start: list[QueuedJob] = field(default_factory=list[QueuedJob])
    held: list[tuple[QueueEntry, Message]] = field(default_factory=list[tuple[QueueEntry, Message]])

    def free(self) -> list[QueuedJob]:
        """Return the queued jobs that can start."""
        return [job for job in (*self.may_start, *self.came.values()) if job.job_id not in self.left]

    @property
    def total(self) -> int:
        there = {job.job_id for job in self.snapshot.waiting} | set(self.came)
        return max(0, self.snapshot.total + len(self.came) - len(self.left & there))

    @property
    def is_offline(self) -> bool:
        return not self.places and not self.is_drained


class QueueView:
    """Answers questions about the queue from a cached snapshot."""

    def __init__(
        self,
        *,
        store: JobRepository,
        run_times: RunTimeEstimates,
        places: CapacityEstimator,
        blockers: StartBlockers,
        clock: Clock,
    ) -> None:
        self._store = store
        self._run_times = run_times
        self._places = places
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
        waiting = self._entry(job.id, job.place.guild_id, job.requester.user_id, job.spec.workflow)
        self._cache.came[job.id] = self._as_queued(waiting, self._cache)

    def left(self, job_id: str) -> None:
        """Remove a job that was claimed or ended since the last snapshot."""
        self._cache.left.add(job_id)

    def invalidate(self) -> None:
        """Invalidate the snapshot: something was paused or resumed."""
        self._cache.at = float("-inf")

    def fleet_changed(self) -> None:
        """Invalidate everything known about the servers."""
        self._places.invalidate()
        self._blockers.invalidate()
        self.invalidate()

    async def expected_position(self, guild_id: int | None, user_id: int, workflow: str) -> ExpectedPosition:
        """Return what one more job of a member could expect. Raises `DatabaseUnavailableError`."""
        look = await self._cached()
        asked = self._entry(HYPOTHETICAL, guild_id, user_id, workflow)
        reason = self._reason(look, asked)
        free = look.free()
        if reason is not None:
            position, starts_in = len(free) + len(look.held) + 1, None
        else:
            turn = self._forecast(look, [*free, self._as_queued(asked, look)], until=HYPOTHETICAL)[-1]
            position, starts_in = turn.position, turn.starts_in
        return ExpectedPosition(
            position=position,
            total=look.total + 1,
            starts_in=starts_in,
            is_offline=look.is_offline,
            reason=reason,
        )

    async def status(self) -> QueueStatus:
        """Return the current queue. Raises `DatabaseUnavailableError`."""
        look = await self._fresh()
        turns = self._positions(look)
        jobs = await self._jobs(turn.job_id for turn in turns)
        return QueueStatus(
            running=sorted(look.running, key=lambda job: job.started or self._clock.now()),
            waiting=[
                QueuePosition(job, turn.position, turn.starts_in, turn.reason)
                for turn in turns
                if (job := jobs.get(turn.job_id))
            ],
            total=look.snapshot.total,
            is_offline=look.is_offline,
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
        look = self._cache = _QueueCache(came=self._cache.came, left=self._cache.left)
        came, left = set(look.came), set(look.left)  # changes during the reads may be in the snapshot or not
        snapshot = await self._store.snapshot(HEAD)
        running = await self._store.browse((JobState.RUNNING,), limit=RUNNING)
        await self._blockers.refresh(job.cls for job in snapshot.waiting)
        look.places = await self._places.estimate(running)
        look.is_drained = self._places.are_drained
        look.snapshot, look.running, look.at = snapshot, running, self._clock.monotonic()
        there = came | {job.job_id for job in snapshot.waiting}
        look.came = {job_id: job for job_id, job in look.came.items() if job_id not in there}
        look.left -= left
        look.shares = {**{key: each.share for key, each in snapshot.accounts.items()}, **snapshot.guilds}
        self._sort(look)
        return look

    async def _jobs(self, line: Iterable[str]) -> dict[str, Job]:
        """Return the jobs with these ids, reading only those that are not cached."""
        jobs: dict[str, Job] = {}
        for job_id in line:
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

    def _positions(self, look: _QueueCache) -> list["_Position"]:
        """Return the startable jobs in order, followed by the blocked ones."""
        foreseen = self._forecast(look, look.free())
        return foreseen + [
            _Position(job.job_id, len(foreseen) + number, None, reason)
            for number, (job, reason) in enumerate(look.held, start=1)
        ]

    def _forecast(self, look: _QueueCache, free: Sequence[QueuedJob], *, until: str | None = None) -> list["_Position"]:
        turns = forecast(free, look.shares, look.places, now=self._clock.now(), limit=len(free), until=until)
        known = bool(look.places)
        return [_Position(turn.job_id, turn.position, turn.starts_in if known else None) for turn in turns]

    def _sort(self, look: _QueueCache) -> None:
        """Split the snapshot into startable and blocked jobs."""
        look.may_start, look.held = [], []
        for job in look.snapshot.waiting:
            if (reason := self._reason(look, job)) is None:
                look.may_start.append(self._as_queued(job, look))
            else:
                look.held.append((job, reason))

    def _reason(self, look: _QueueCache, job: QueueEntry) -> Message | None:
        reason = self._blockers.of(job, look.snapshot.accounts.get(job.account))
        return DRAINED if reason is None and look.is_drained else reason

    def _as_queued(self, job: QueueEntry, look: _QueueCache) -> QueuedJob:
        account = look.snapshot.accounts.get(job.account)
        waits = QueuedJob(job.job_id, job.account, job.guild, self._run_times.expect(job.workflow))
        if account is None:
            return replace(waits, waits_since=self._clock.now())
        terms = account.terms
        return replace(waits, weight=terms.weight, lane=terms.lane, waits_since=account.waits_since)


@dataclass(frozen=True, slots=True)
class _Position:
    """A forecast position in the queue."""

    job_id: str
    position: int
    starts_in: float | None
    reason: Message | None = None
