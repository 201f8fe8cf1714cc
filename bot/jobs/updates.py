"""What can be told about a job that is not over yet."""

from dataclasses import dataclass

from bot.i18n import Message


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not started. `position` counts from 1 over everything that waits; `offline` when no server can be reached."""

    position: int
    total: int
    offline: bool = False
    starts_in: float | None = None
    """Seconds until its turn, as far as that can be foreseen."""
    reason: Message | None = None
    """Why it does not start although others may: paused, no server can run it, its member's others are running."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server has it."""

    elapsed: float
    """Seconds since the server began to work on it."""
    fraction: float | None = None
    """Share of the whole graph that is done, 0 to 1; None while the server has it but has not begun."""
    node: str = ""
    """Title of the node at work."""
    step: int = 0
    steps: int = 0
    preview: bytes | None = None
    """A half-finished picture, as the server encoded it."""
    resubmitted: bool = False
    """The server forgot the job once, and it was handed in again."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """The server is done; the pictures are on their way."""


@dataclass(frozen=True, slots=True)
class Away:
    """The server that has it cannot be reached."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """Somebody asked for its end; the server stops at its next step."""


JobUpdate = Waiting | Running | Away | Fetching | Stopping
