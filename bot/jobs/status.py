"""The statuses of an unfinished job that are shown to its member."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.i18n import Message
from bot.jobs.job import Job


@dataclass(frozen=True, slots=True)
class QueuedStatus:
    """Queued. `position` counts from 1 over the whole queue; `offline` when no server is online."""

    position: int
    total: int
    offline: bool = False
    starts_in: float | None = None
    """Estimated seconds; None when unknown."""
    reason: Message | None = None
    """Why it is blocked: paused, no compatible server, or a per-member limit."""


@dataclass(frozen=True, slots=True)
class RunningStatus:
    """On a server."""

    elapsed: float
    """Seconds since the run started."""
    fraction: float | None = None
    """Progress of the whole graph, 0 to 1; None while the prompt is pending on the server."""
    node: str = ""
    """Title of the running node."""
    step: int = 0
    steps: int = 0
    preview: bytes | None = None
    """A preview image, as the server encoded it."""
    resubmitted: bool = False
    """Whether the run was lost once and started over."""


@dataclass(frozen=True, slots=True)
class FetchingStatus:
    """The run has ended; its files are being fetched."""


@dataclass(frozen=True, slots=True)
class ServerOffline:
    """Its server is offline."""


@dataclass(frozen=True, slots=True)
class CancellingStatus:
    """Being cancelled: the server stops at its next step."""


JobUpdate = QueuedStatus | RunningStatus | ServerOffline | FetchingStatus | CancellingStatus


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A queued job and its position."""

    job: Job
    position: int
    """From 1; blocked jobs come after all others."""
    starts_in: float | None
    """Estimated seconds; None when unknown."""
    reason: Message | None = None
    """Why it is blocked; None if it is not."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The whole queue, or its head."""

    running: Sequence[Job]
    waiting: Sequence[QueuePosition]
    """Ordered by position."""
    total: int
    """Length of the whole queue, including jobs that are not in `waiting`."""
    is_offline: bool = False
    """Whether no server is online."""
