"""The notification bus between processes: hints that something may have changed.

Notifications may be lost or duplicated, so every listener also polls; a notification only makes it poll sooner.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

log = logging.getLogger(__name__)


class Topic(StrEnum):
    WORK = "work"
    """The queue has changed: jobs were added or removed, or can be started now."""
    CANCEL = "cancel"
    """A job on a server should be cancelled; the payload is the server's key."""
    CLASS = "class"
    """A new job whose needs may be unchecked; the payload is its class."""
    PAUSES = "pauses"
    """Something was paused or resumed."""
    FLEET = "fleet"
    """Servers were added, removed, drained or described."""
    RULES = "rules"
    """A guild's workflow settings changed; the payload is the guild's id."""
    DUE = "due"
    """A delivery is due."""
    PROGRESS = "progress"
    """Progress of running jobs, as JSON: `{job id: fraction}`."""


Callback = Callable[[str], None]
"""Called with the payload; must return at once."""


class NotificationBus(Protocol):
    """Notifies everyone who works on the same database, this process included."""

    def subscribe(self, topic: Topic, callback: Callback) -> None:
        """Subscribe to a topic."""
        ...

    def send(self, topic: Topic, payload: str = "") -> None:
        """Notify; returns at once and never raises: a lost notification only costs time."""
        ...

    @property
    def poll_interval(self) -> float:
        """The poll interval in seconds; shorter while notifications are unavailable."""
        ...

    async def run(self) -> None:
        """Run until cancelled."""
        ...

    async def close(self) -> None:
        """Release resources, once nobody sends any more."""
        ...


class Listeners:
    """The listeners of this process."""

    def __init__(self) -> None:
        self._callbacks: dict[Topic, list[Callback]] = defaultdict(list)

    def subscribe(self, topic: Topic, callback: Callback) -> None:
        self._callbacks[topic].append(callback)

    def notify(self, topic: Topic, payload: str) -> None:
        """Call all listeners of a topic; an exception in one does not affect the others."""
        for callback in self._callbacks[topic]:
            try:
                callback(payload)
            except Exception:
                log.exception("a listener for %s crashed", topic)


class LocalBus(Listeners):
    """Notifications within one process, which suffices on SQLite."""

    poll_interval: float = 2.0

    def send(self, topic: Topic, payload: str = "") -> None:
        self.notify(topic, payload)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to release."""
