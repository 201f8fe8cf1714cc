"""What the rest of the bot needs from whoever keeps the jobs: the store of records, and the shelf of pictures.

`bot.jobs.store` keeps records in SQLite or PostgreSQL, `bot.jobs.shelf` pictures in a folder. Every method is one short
transaction; none stays open while something else is awaited.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.errors import OfflineError
from bot.i18n import _
from bot.jobs.fairshare import Share
from bot.jobs.job import Job, JobState
from bot.jobs.terms import Terms
from bot.workflow.execution import OutputFile


class DuplicateJobError(Exception):
    """A job for this interaction exists: the gateway delivered one event twice."""


class StoreDownError(OfflineError):
    """The database does not answer. What was asked for may or may not have been carried out."""

    def __init__(self) -> None:
        super().__init__(_("The bot's database cannot be reached. Please try again in a minute."))


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter of an account that was not what its jobs say, and was corrected."""

    account_id: str
    counter: str
    kept: int
    counted: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the line, as far as its place there concerns it."""

    job_id: str
    account: str
    user_id: int
    guild: str
    """The key of the guild (`bot.policy.pauses.guild_key`)."""
    workflow: str
    cls: str
    """What it needs (`Needs.cls`)."""
    seconds: float
    """GPU-seconds that it is expected to take."""
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Account:
    """How an account with jobs in the line stands."""

    share: Share
    terms: Terms
    running: int = 0
    waits_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The line at one moment, or its head: the first jobs of those who are next."""

    waiting: Sequence[Waiting] = ()
    """Each account's jobs in their order."""
    accounts: Mapping[str, Account] = field(default_factory=dict[str, Account])
    guilds: Mapping[str, Share] = field(default_factory=dict[str, Share])
    total: int = 0
    """How many jobs wait, those included that are not in `waiting`."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """What a run that brought something has taken of its server."""

    workflow: str
    server: str
    seconds: float


class JobStore(Protocol):
    """The jobs of one installation. Any method may raise `StoreDownError`.

    Jobs that are returned carry no bytes of input pictures, but for `with_inputs`.
    """

    # ------------------------------------------------------------------ taking in

    async def add(self, job: Job, terms: Terms | None = None) -> None:
        """Keep a new job, HELD or QUEUED, with its input pictures. Raises `DuplicateJobError`.

        `terms` are those of its account from now on, without which the account keeps what it has.

        The very same job again (its id and interaction) changes nothing: the first answer may have been lost.
        """
        ...

    async def admit(self, job: Job) -> Job:
        """Put a HELD job into the line, with the run, the pictures and the place that are known by now.

        Raises `IllegalMoveError` when it is not HELD any more.
        """
        ...

    # ------------------------------------------------------------------ carrying out

    async def claim(self, server: str, owner: str, prompt_id: str, now: float, *, loaded: str = "") -> Job | None:
        """Give the fairest job that is due, and that the server can run, to it: RUNNING, not posted, under a new epoch.

        Its account is charged with what it is expected to take. `loaded` names the models that the server has loaded
        (`Needs.model`): of two that are about as fair, the one that wants them is chosen.

        None when nothing waits for this server, or when `owner` does not hold the server (any more). A prompt id gets
        one job: after `StoreDownError`, ask again with the same one, and what was claimed unheard is not left behind.
        """
        ...

    async def move(self, job: Job, state: JobState, **changes: Any) -> Job:
        """Carry out a state change, set fields of the job by name, and return the new version.

        Also keeps the counters of the account and, when a run ends, the ledger of GPU time and what the account has
        used. A move to QUEUED raises the epoch and forgets the end. An end without `finished` gets the time; one that
        is to be told is left to whoever brought it about for a minute, unless `not_before` says otherwise. The place's
        token is whichever is newest.

        Raises `IllegalMoveError` when state or epoch are not what `job` says, or the move is not legal.
        """
        ...

    async def note(self, job: Job, **changes: Any) -> Job:
        """Set fields of a job by name without a state change; otherwise as `move`."""
        ...

    async def seize(self, job_id: str) -> Job | None:
        """Take a job from whoever works on it: raise its epoch, and return it."""
        ...

    async def renew_token(self, job_id: str, token: str, expires: float) -> Job | None:
        """Remember a fresh interaction token for a job's message, whoever works on the job; return the new version."""
        ...

    async def cancel(self, job_id: str, by: int, now: float) -> Job | None:
        """Cancel a job, for the user `by`; return its newest version.

        One that waits is CANCELLED at once, and is to be told. For one that runs the request is kept: see `to_cancel`.
        One that is further stays what it is.
        """
        ...

    async def to_cancel(self, server: str) -> Sequence[tuple[str, int]]:
        """Return the jobs RUNNING on a server that somebody asked to cancel: their ids, and who."""
        ...

    # ------------------------------------------------------------------ after a crash

    async def hold(self, servers: Collection[str], owner: str, ttl: float) -> frozenset[str]:
        """Take or keep the lease of servers for `ttl` seconds, by the database's clock; return those that are held.

        A server that another owner holds is not to be had until that lease has run out.
        """
        ...

    async def release(self, owner: str, servers: Collection[str] | None = None) -> None:
        """Give up the leases of an owner (all, or those of some servers): others need not wait for their end."""
        ...

    async def adopt(self, server: str, owner: str) -> Sequence[Job]:
        """Take over what a server has in hand (RUNNING, DELIVERING, or ended and not told), under a new epoch each.

        Empty when `owner` does not hold the server.
        """
        ...

    async def strays(self, owner: str, servers: Collection[str], now: float, *, alone: bool) -> Sequence[Job]:
        """Take over what nobody else will bring to an end, under a new epoch each.

        That is: HELD jobs that `owner` was reading when it crashed (or anybody, when `alone` or after 15 minutes), and
        jobs RUNNING or DELIVERING on a server that is not among `servers` and that nobody holds.
        """
        ...

    async def take_untold(self, owner: str, now: float, until: float) -> Job | None:
        """Return an ended or DELIVERING job whose delivery is due, under a new epoch; not due again before `until`.

        Jobs on a server that somebody else holds are left to them.
        """
        ...

    # ------------------------------------------------------------------ looking

    async def get(self, job_id: str) -> Job | None:
        """Return the newest version of a job."""
        ...

    async def find(self, prefix: str) -> Sequence[Job]:
        """Return at most ten jobs whose id begins like this."""
        ...

    async def with_inputs(self, job: Job) -> Job:
        """Return the job with the bytes of its input pictures."""
        ...

    async def snapshot(self, limit: int) -> Snapshot:
        """Return the line as it is, as far as the next `limit` turns need it."""
        ...

    async def line_length(self) -> int:
        """Return how many jobs wait for a server."""
        ...

    async def past_runs(self, limit: int) -> Sequence[PastRun]:
        """Return the newest runs that brought something, oldest first."""
        ...

    async def count_waiting(self, user_id: int) -> int:
        """Return how many jobs of one member wait (held or queued)."""
        ...

    async def history(self, user_id: int, *, limit: int, offset: int = 0) -> Sequence[Job]:
        """Return the jobs of one member, newest first."""
        ...

    async def browse(self, states: Collection[JobState], *, limit: int) -> Sequence[Job]:
        """Return jobs in these states, newest first; every state when empty."""
        ...

    async def count(self) -> dict[JobState, int]:
        """Return how many jobs are in each state."""
        ...

    # ------------------------------------------------------------------ keeping order

    async def prune(self, before: float, *, limit: int) -> Sequence[str]:
        """Forget at most `limit` jobs that ended before this time and are told; return their ids."""
        ...

    async def recount(self) -> Sequence[Drift]:
        """Compare the counters of accounts with their jobs, correct them, and return what was wrong."""
        ...

    async def record(self, what: str, *, job_id: str = "", actor: str = "", now: float) -> None:
        """Write an event into the log."""
        ...

    async def recorded_since(self, what: str, since: float) -> bool:
        """Return whether such an event was written at or after this time."""
        ...

    async def close(self) -> None:
        """Let go of the database; transactions that have begun are carried out."""
        ...


class Shelf(Protocol):
    """Results between the end of a run and their delivery, and for a while after it."""

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        """Keep the files of a job, all or none; what was there before is replaced. Raises `OSError`."""
        ...

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        """Return the files of a job; empty when there are none (any more)."""
        ...

    async def drop(self, job_id: str) -> None:
        """Forget the files of a job."""
        ...
