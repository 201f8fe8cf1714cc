"""The job: one submitted run. Who asked, where its message is, what runs, and in which state it is.

Everything here is plain data that can be written down and read back: a job outlives the process that accepted it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from bot.i18n import Message
from bot.workflow.spec import RunSpec


class JobState(StrEnum):
    """Where a job stands."""

    HELD = "held"
    """Waits for a moderator's approval."""
    QUEUED = "queued"
    RUNNING = "running"
    """Handed to a server, or about to be."""
    DELIVERING = "delivering"
    """The server is done; the result is on its way to the channel."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return not MOVES[self]


MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.HELD: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.DELIVERING, JobState.FAILED, JobState.CANCELLED}),
    JobState.DELIVERING: frozenset({JobState.DONE, JobState.FAILED}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""The legal moves. RUNNING → QUEUED is a server that forgot the job; the job goes back to wait."""


class IllegalMoveError(Exception):
    """A state change that `MOVES` does not know: a fault of ours, or another process was faster."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked, and which language they read."""

    user_id: int
    name: str
    locale: str = "en-US"


@dataclass(frozen=True, slots=True)
class Place:
    """The job's one message, and the two ways to edit it: the interaction's token, then channel and message id."""

    interaction_id: int
    application_id: int
    token: str = field(repr=False)
    token_expires: float
    """Seconds since the epoch after which the token edits nothing."""
    channel_id: int
    message_id: int
    guild_id: int | None = None
    bot_can_edit: bool = True
    """Whether channel and message id will do: not for ephemeral messages, nor where only the user installed the bot."""
    upload_limit: int = 10 * 1024 * 1024
    """Bytes that one file may have here."""


@dataclass(frozen=True, slots=True)
class Job:
    """One submitted run. Immutable: the store swaps it for the next version."""

    id: str
    spec: RunSpec
    requester: Requester
    place: Place
    created: float
    state: JobState = JobState.QUEUED
    prompt_id: str = ""
    """Chosen by us and stored before the POST; a new one for each submission."""
    server: str = ""
    attempts: int = 0
    """How often a server claimed it."""
    losses: int = 0
    """How often a server forgot it after taking it."""
    started: float = 0.0
    finished: float = 0.0
    error: Message | None = None

    def moved(self, state: JobState, **changes: Any) -> Self:
        """Return this job in another state. Raises `IllegalMoveError`."""
        if state not in MOVES[self.state]:
            raise IllegalMoveError(f"job {self.id}: {self.state} → {state}")
        return replace(self, state=state, **changes)
