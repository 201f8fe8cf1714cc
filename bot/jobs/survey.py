"""The status of the queue as plain values: running jobs, queued jobs and their estimated starting times."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.i18n import Message
from bot.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Standing:
    """A queued job and its position."""

    job: Job
    position: int
    """From 1; blocked jobs come after all others."""
    starts_in: float | None
    """Estimated seconds; None when unknown."""
    reason: Message | None = None
    """Why it is blocked; None if it is not."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The whole queue, or its head."""

    running: Sequence[Job]
    waiting: Sequence[Standing]
    """Ordered by position."""
    total: int
    """Length of the whole queue, including jobs that are not in `waiting`."""
    is_offline: bool = False
    """Whether no server is online."""
