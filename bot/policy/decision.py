"""What may become of a request. A closed set: whoever acts on a decision handles every case of it."""

from dataclasses import dataclass

from bot.i18n import Message


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may run as it is."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not run; `message` says why, and what would pass."""

    message: Message


@dataclass(frozen=True, slots=True)
class Held:
    """The request may run once a moderator has agreed; `reason` says why one is asked."""

    reason: Message


Decision = Allowed | Refused | Held
