"""The outcome of a policy check. A closed union: callers handle every case."""

from dataclasses import dataclass

from bot.i18n import Message
from bot.workflow.run.measure import RunSize


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What the size limits look at in one request."""

    size: RunSize
    waiting: int = 0
    """This member's jobs already in the queue."""
    text_length: int = 0
    """Characters of the longest text the member wrote."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may run as is."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not run; `message` gives the reason and what would be accepted."""

    message: Message


@dataclass(frozen=True, slots=True)
class Held:
    """The request may run once a moderator approves it; `reason` says why approval is needed."""

    reason: Message


Decision = Allowed | Refused | Held
