"""The storage interfaces for jobs: the repository of job records, and the store of result files.

`bot.storage` implements the former in SQLite or PostgreSQL, `bot.jobs.delivery.result_files` the latter in a folder.
Every method is one short transaction; none stays open while something else is awaited.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.errors import OfflineError
from bot.i18n import _
from bot.jobs.job import Job, JobState
from bot.policy.fair_share import Share
from bot.policy.terms import QueueTerms
from bot.workflow.run.events import OutputFile


class DuplicateJobError(Exception):
    """A job for this interaction exists: the gateway delivered an event twice."""


class DatabaseUnavailableError(OfflineError):
    """The database does not answer. The operation may or may not have been carried out."""

    def __init__(self) -> None:
        super().__init__(_("The bot's database is unavailable. Please try again in a minute."))


@dataclass(frozen=True, slots=True)
class Drift:
    """An account counter that did not match its jobs and was corrected."""

    account_id: str
    counter: str
    kept: int
    counted: int


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queued job, reduced to what affects its position."""

    job_id: str
    account: str
    user_id: int
    guild: str
    """The key of the guild (`bot.policy.terms.guild_key`)."""
    workflow: str
    cls: str
    """The class of its requirements (`Needs.cls`)."""
    seconds: float
    """Estimated GPU-seconds."""
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The state of an account with queued jobs."""

    share: Share
    terms: QueueTerms
    running: int = 0
    waits_since: float = 0.0


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The queue at one moment, or its head: the first jobs of those who are next."""

    waiting: Sequence[QueueEntry] = ()
    """Each account's jobs in order."""
    accounts: Mapping[str, AccountStatus] = field(default_factory=dict[str, AccountStatus])
    guilds: Mapping[str, Share] = field(default_factory=dict[str, Share])
    total: int = 0
    """Length of the whole queue, including jobs that are not in `waiting`."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """The measured time of a successful run."""

    workflow: str
    server: str
    seconds: float


class JobRepository(Protocol):
    """The jobs in the database. Any method may raise `DatabaseUnavailableError`.

    Returned jobs have no bytes of input files, except from `with_inputs`.
    """

    # ------------------------------------------------------------------ enqueueing

    async def add(self, job: Job, terms: QueueTerms | None = None) -> None:
        """Add a new job, HELD or QUEUED, with its input files. Raises `DuplicateJobError`.

        `terms` replace those of its account; without them the account keeps its own. Idempotent: adding the same job
        again (equal id and interaction) changes nothing, since the first answer may have been lost.
        """
        ...

    async def queue(self, job: Job) -> Job:
        """Queue a HELD job with the run, input files and message location known by now.

        Raises `StaleJobError` when it is no longer HELD.
        """
        ...

    # ------------------------------------------------------------------ executing

    async def claim(self, server: str, owner: str, prompt_id: str, now: float, *, loaded: str = "") -> Job | None:
        """Claim the next due job that the server can run: RUNNING, not posted, under a new epoch.

        Its account is charged with the estimated cost. `loaded` names the models on the server (`Needs.model`): among
        jobs of similar priority, one that uses them is preferred.

        None when nothing is queued for this server, or `owner` does not hold its lease. Idempotent per prompt id: after
        `DatabaseUnavailableError`, retry with the same id to get the job that may already have been claimed.
        """
        ...

    async def transition(self, job: Job, state: JobState, **changes: Any) -> Job:
        """Change a job's state, set fields by name, and return the new version.

        Also updates the account's counters and, when a run ends, the recorded GPU time and usage. A move to QUEUED
        increments the epoch and clears the outcome. A final state sets `finished` by default, and reserves the delivery
        for the caller for a minute unless `not_before` is given. The newest interaction token is kept.

        Raises `StaleJobError` when state or epoch differ from `job`, or the transition is not allowed.
        """
        ...

    async def update(self, job: Job, **changes: Any) -> Job:
        """Set fields of a job by name without a state change; otherwise like `transition`."""
        ...

    async def take_over(self, job_id: str) -> Job | None:
        """Take over a job from whoever works on it: increment its epoch, and return it."""
        ...

    async def renew_token(self, job_id: str, token: str, expires: float) -> Job | None:
        """Save a fresh interaction token for a job's message, whatever its epoch; return the new version."""
        ...

    async def cancel(self, job_id: str, by: int, now: float) -> Job | None:
        """Cancel a job for the user `by`; return its newest version.

        A queued job is CANCELLED at once, with its delivery pending. For a running one the request is saved: see
        `cancel_requests`. Later states do not change.
        """
        ...

    async def cancel_requests(self, server: str) -> Sequence[tuple[str, int]]:
        """Return ids and requesting users of the jobs RUNNING on a server that should be cancelled."""
        ...

    # ------------------------------------------------------------------ leases and recovery

    async def acquire_leases(self, servers: Collection[str], owner: str, ttl: float) -> frozenset[str]:
        """Acquire or renew the leases of servers for `ttl` seconds, by the database's clock; return those held.

        A lease of another owner can only be acquired after it has expired.
        """
        ...

    async def release_leases(self, owner: str, servers: Collection[str] | None = None) -> None:
        """Release the leases of an owner (all, or those of some servers) before they expire."""
        ...

    async def take_over_server(self, server: str, owner: str) -> Sequence[Job]:
        """Take over a server's unfinished jobs (RUNNING, DELIVERING, or ended but undelivered), with new epochs.

        Empty when `owner` does not hold the server's lease.
        """
        ...

    async def orphans(self, owner: str, servers: Collection[str], now: float, *, alone: bool) -> Sequence[Job]:
        """Take over orphaned jobs that nobody else will finish, with new epochs.

        These are HELD jobs that `owner` was validating when it crashed (or any process, when `alone` or after 15
        minutes), and jobs RUNNING or DELIVERING on a server that is neither among `servers` nor leased.
        """
        ...

    async def claim_due_delivery(self, owner: str, now: float, until: float) -> Job | None:
        """Claim an ended or DELIVERING job whose delivery is due, with a new epoch; it is not due before `until`.

        Jobs on a server leased by another process are left to it.
        """
        ...

    # ------------------------------------------------------------------ queries

    async def get(self, job_id: str) -> Job | None: ...

    async def find(self, prefix: str) -> Sequence[Job]:
        """Return at most ten jobs whose id starts with `prefix`."""
        ...

    async def with_inputs(self, job: Job) -> Job:
        """Return the job with the bytes of its input files."""
        ...

    async def snapshot(self, limit: int) -> QueueSnapshot:
        """Return the queue, as far as the next `limit` turns need it."""
        ...

    async def past_runs(self, limit: int) -> Sequence[PastRun]:
        """Return the newest successful runs, oldest first."""
        ...

    async def count_waiting(self, user_id: int) -> int:
        """Return the number of a member's HELD and QUEUED jobs."""
        ...

    async def history(self, user_id: int, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """Return a member's jobs, newest first."""
        ...

    async def browse(self, states: Collection[JobState], *, limit: int) -> Sequence[Job]:
        """Return jobs in these states (all states if empty), newest first."""
        ...

    async def count(self) -> dict[JobState, int]:
        """Return the number of jobs in each state."""
        ...

    # ------------------------------------------------------------------ maintenance

    async def prune(self, before: float, *, limit: int) -> Sequence[str]:
        """Delete at most `limit` delivered jobs that ended before this time; return their ids."""
        ...

    async def recount(self) -> Sequence[Drift]:
        """Compare account counters with the jobs, correct them, and return the differences."""
        ...

    async def record_event(self, what: str, *, job_id: str = "", actor: str = "", now: float) -> None:
        """Append to the event log."""
        ...

    async def has_event_since(self, what: str, since: float) -> bool:
        """Return whether such an event was logged at or after this time."""
        ...

    async def close(self) -> None:
        """Close the database; running transactions are completed."""
        ...


class ResultStore(Protocol):
    """Stores result files from the end of a run until some time after their delivery."""

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        """Store the files of a job, all or none, replacing earlier ones. Raises `OSError`."""
        ...

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        """Return the files of a job; empty when there are none."""
        ...

    async def drop(self, job_id: str) -> None:
        """Delete the files of a job."""
        ...

    async def older_than(self, time: float) -> Sequence[str]:
        """Return the ids of jobs whose files were stored before `time`, in seconds since the epoch."""
        ...

    async def clear_leftovers(self, before: float) -> None:
        """Remove what a crash left half-written or half-removed before a time."""
        ...
