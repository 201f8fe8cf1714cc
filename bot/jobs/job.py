"""The job: one submitted run. Who asked, where its message is, what runs, and in which state it is.

Everything here is plain data that can be written down and read back: a job outlives the process that accepted it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from bot.i18n import Message
from bot.workflow.execution import OutputRef
from bot.workflow.spec import RunSpec


class JobState(StrEnum):
    """Where a job stands."""

    HELD = "held"
    """Not in the line yet: its answer is under way, its pictures are being read, or a moderator is asked."""
    QUEUED = "queued"
    RUNNING = "running"
    """Handed to a server, or about to be."""
    DELIVERING = "delivering"
    """The server is done; the result is on its way to the channel."""
    DONE = "done"
    """The result was posted, or is kept for its member (see `Delivery`)."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it ended; only the owner can bring a failed job back."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.HELD: frozenset({JobState.QUEUED, JobState.FAILED, JobState.CANCELLED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.DELIVERING, JobState.FAILED, JobState.CANCELLED}),
    JobState.DELIVERING: frozenset({JobState.DONE, JobState.FAILED}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
"""The legal moves. RUNNING → QUEUED is a server that forgot the job; from a bad end only the owner takes it back."""


class Delivery(StrEnum):
    """Whether the end of a job has reached its member."""

    NONE = "none"
    """It has not ended."""
    PENDING = "pending"
    """It is to be told; whoever does so next may repeat what was done already."""
    SENT = "sent"
    KEPT = "kept"
    """The message cannot show it any more: it waits for its member, behind *Show result* or in `/history`."""


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
class Part:
    """A further message of a result that one message cannot hold."""

    message_id: int = 0
    """0 while it is not known whether it was posted."""
    at: float = 0.0
    """When it was sent, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Job:
    """One submitted run. Immutable: the store swaps it for the next version."""

    id: str
    spec: RunSpec
    """From a store its input pictures have no bytes, until `JobStore.with_inputs` brings them."""
    requester: Requester
    place: Place
    created: float
    state: JobState = JobState.QUEUED
    holder: str = ""
    """The instance of the bot that reads the request, while it is HELD for that."""
    server: str = ""
    """`Backend.key` of the server that has it, or had it last."""
    epoch: int = 0
    """The fencing token: grows with every claim, takeover and return, so that earlier holders change nothing."""
    prompt_id: str = ""
    """Chosen by us and stored before the POST; a new one for each submission."""
    posted: bool = False
    """Whether the POST of `prompt_id` was begun: before that the server cannot know it."""
    estimate: float = 0.0
    """GPU-seconds that it was expected to take when it was taken in."""
    pictures: int = 1
    """How many pictures it was expected to bring."""
    attempts: int = 0
    """How often a server claimed it."""
    losses: int = 0
    """How often a server broke down while it worked on it."""
    not_before: float = 0.0
    """Nobody takes it (from the line, or for delivery) before this time, in seconds since the epoch."""
    started: float = 0.0
    finished: float = 0.0
    outputs: tuple[OutputRef, ...] = ()
    """What is delivered, once the run has ended."""
    note: Message | None = None
    """What must be said beside the pictures."""
    error: Message | None = None
    cancel_by: int = 0
    """Who asked for its end before it was done; 0 for nobody."""
    delivery: Delivery = Delivery.NONE
    tries: int = 0
    """How often its delivery had to be put off."""
    parts: Mapping[int, Part] = field(default_factory=dict[int, Part])
    """Further messages of its result, by number from 1."""
    told: bool = False
    """Whether its member was written to directly; that happens once."""

    def moved(self, state: JobState, **changes: Any) -> Self:
        """Return this job in another state. Raises `IllegalMoveError`."""
        if state not in MOVES[self.state]:
            raise IllegalMoveError(f"job {self.id}: {self.state} → {state}")
        return replace(self, state=state, **changes)
