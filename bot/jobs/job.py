"""The job: one submitted run. Who requested it, where its message is, what runs, and its state.

Plain data that can be stored and loaded: a job outlives the process that accepted it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from bot.i18n import Message
from bot.workflow.run.events import OutputRef
from bot.workflow.run.spec import RunSpec


class JobState(StrEnum):
    HELD = "held"
    """Not queued yet: not answered, its input files are being read, or a moderator must approve it."""
    QUEUED = "queued"
    RUNNING = "running"
    """Claimed for a server."""
    DELIVERING = "delivering"
    """The run has ended; the result is being delivered."""
    DONE = "done"
    """The result was posted, or is kept for its member (see `Delivery`)."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it has ended; only the owner can requeue it then."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.HELD: frozenset({JobState.QUEUED, JobState.FAILED, JobState.CANCELLED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.DELIVERING, JobState.FAILED, JobState.CANCELLED}),
    JobState.DELIVERING: frozenset({JobState.DONE, JobState.FAILED}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
"""The legal transitions. RUNNING → QUEUED: the server lost the job. FAILED or CANCELLED → QUEUED: only by the owner."""


class Delivery(StrEnum):
    """Whether the member has been shown the end of a job."""

    NONE = "none"
    """The job has not ended."""
    PENDING = "pending"
    """Due; a retry may repeat parts of it that were already done."""
    SENT = "sent"
    UNDELIVERABLE = "kept"
    """Undeliverable: the result waits for its member behind *Show result* or in `/history`."""


class StaleJobError(Exception):
    """A transition that `TRANSITIONS` does not allow: a bug, or another process was faster."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who sent the request, and their language."""

    user_id: int
    name: str
    locale: str = "en-US"


@dataclass(frozen=True, slots=True)
class MessageLocation:
    """The job's message and the two ways to edit it: the interaction's token, then channel and message id."""

    interaction_id: int
    application_id: int
    token: str = field(repr=False)
    token_expires: float
    """Seconds since the epoch."""
    channel_id: int
    message_id: int
    guild_id: int | None = None
    bot_can_edit: bool = True
    """Whether channel and message id suffice: not for ephemeral messages, nor where only the user installed the bot."""
    upload_limit: int = 10 * 1024 * 1024
    """Maximum bytes of one attachment here."""


@dataclass(frozen=True, slots=True)
class FollowupMessage:
    """A follow-up message, for a result that does not fit into one message."""

    message_id: int = 0
    """0 until it is known to be posted."""
    at: float = 0.0
    """Sent at, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Job:
    """One submitted run. Immutable: every change makes a new version."""

    id: str
    spec: RunSpec
    """As loaded from the store, its input files have no bytes; `JobRepository.with_inputs` adds them."""
    requester: Requester
    place: MessageLocation
    created: float
    state: JobState = JobState.QUEUED
    holder: str = ""
    """The bot process that is validating the request, while HELD for that."""
    server: str = ""
    """`Backend.key` of its current or last server."""
    epoch: int = 0
    """The fencing token: incremented by every claim, takeover and requeue, so that earlier holders cannot write."""
    prompt_id: str = ""
    """Chosen by the bot and saved before the POST; a new one for each submission."""
    posted: bool = False
    """Whether the POST of `prompt_id` was started: before that the server cannot know it."""
    estimate: float = 0.0
    """Estimated GPU-seconds when it was accepted."""
    pictures: int = 1
    """Expected number of images."""
    attempts: int = 0
    """Number of claims."""
    losses: int = 0
    """Number of server crashes while it was running."""
    not_before: float = 0.0
    """It is not claimed or delivered before this time, in seconds since the epoch."""
    started: float = 0.0
    finished: float = 0.0
    outputs: tuple[OutputRef, ...] = ()
    """The files to deliver, once the run has ended."""
    note: Message | None = None
    """Remark shown with the result."""
    error: Message | None = None
    cancel_by: int = 0
    """User id of whoever cancelled it; 0 for none."""
    delivery: Delivery = Delivery.NONE
    tries: int = 0
    """Failed delivery attempts."""
    parts: Mapping[int, FollowupMessage] = field(default_factory=dict[int, FollowupMessage])
    """Follow-up messages of its result, by number from 1."""
    told: bool = False
    """Whether its member got a direct message, which happens only once."""

    def with_state(self, state: JobState, **changes: Any) -> Self:
        """Return this job in another state. Raises `StaleJobError`."""
        if state not in TRANSITIONS[self.state]:
            raise StaleJobError(f"job {self.id}: {self.state} → {state}")
        return replace(self, state=state, **changes)
