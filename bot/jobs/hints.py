"""Hints between processes: something may have changed, look. They may be lost or come twice, so they never carry truth.

Whoever waits for something looks by itself now and then; a hint only makes it look sooner.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

log = logging.getLogger(__name__)


class Topic(StrEnum):
    """What a hint is about."""

    WORK = "work"
    """The line has changed: jobs came, left, or may be started now."""
    CANCEL = "cancel"
    """Somebody wishes the end of a job that a server has; the payload is the server's key."""
    CLASS = "class"
    """A job came whose needs nobody may have judged yet; the payload is its class."""
    PAUSES = "pauses"
    """Something was paused or resumed."""
    FLEET = "fleet"
    """Servers were added, removed, drained or described."""
    RULES = "rules"
    """What a guild decides about workflows has changed; the payload is the guild's id."""
    DUE = "due"
    """The end of a job is to be told."""
    PROGRESS = "progress"
    """How far jobs are, as JSON: `{job id: fraction}`."""


Hear = Callable[[str], None]
"""Takes the payload; must return at once."""


class Hints(Protocol):
    """Carries hints to everybody who works on the same database, this process included."""

    def listen(self, topic: Topic, hear: Hear) -> None:
        """Let `hear` be called for each hint about a topic."""
        ...

    def send(self, topic: Topic, payload: str = "") -> None:
        """Send a hint; returns at once. Never raises: a hint that is lost costs time only."""
        ...

    @property
    def look_every(self) -> float:
        """In seconds, how often to look without being told: hints may reach us, or not at all at the moment."""
        ...

    async def run(self) -> None:
        """Carry hints for ever; the owner cancels this."""
        ...

    async def close(self) -> None:
        """Let go, once nobody sends any more."""
        ...


class Ears:
    """Who in this process wants to hear of what."""

    def __init__(self) -> None:
        self._ears: dict[Topic, list[Hear]] = defaultdict(list)

    def listen(self, topic: Topic, hear: Hear) -> None:
        """See `Hints.listen`."""
        self._ears[topic].append(hear)

    def hear(self, topic: Topic, payload: str) -> None:
        """Let everybody hear who wants to; a fault of one is not the others'."""
        for hear in self._ears[topic]:
            try:
                hear(payload)
            except Exception:
                log.exception("a hint about %s was not understood", topic)


class LocalHints:
    """Hints within one process, which is all there is on SQLite."""

    look_every: float = 2.0

    def __init__(self) -> None:
        self._ears = Ears()

    def listen(self, topic: Topic, hear: Hear) -> None:
        """See `Hints.listen`."""
        self._ears.listen(topic, hear)

    def send(self, topic: Topic, payload: str = "") -> None:
        """See `Hints.send`."""
        self._ears.hear(topic, payload)

    async def run(self) -> None:
        """See `Hints.run`: there is nothing to do."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """See `Hints.close`."""
