"""What is going on: who is served, who waits, and about how long. Plain values, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.i18n import Message
from bot.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Standing:
    """A job that waits, and its turn."""

    job: Job
    position: int
    """From 1; those that cannot start stand behind all others."""
    starts_in: float | None
    """Seconds, as far as that can be foreseen."""
    reason: Message | None = None
    """Why it does not start although others may."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The whole line, or its head."""

    running: Sequence[Job]
    waiting: Sequence[Standing]
    """In the order of their turns."""
    total: int
    """How many wait, those included that are not in `waiting`."""
    is_offline: bool = False
    """Whether no server can be reached."""
