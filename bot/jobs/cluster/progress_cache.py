"""A cache of the progress of all running jobs, for pages such as `/queue`.

Best effort: entries expire after a minute without news.
"""

import json

from cachetools import LRUCache

from bot.clock import Clock
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.workflow.json_access import load, mapping

MAX_AGE = 60.0
"""Seconds until an entry expires."""
MAX_JOBS = 2_000
MIN_STEP = 0.01
"""Minimum progress that is sent to other processes."""


class ProgressCache:
    """Caches the progress of this process's jobs, and of others as notified."""

    def __init__(self, *, bus: NotificationBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._entries = LRUCache[str, tuple[float, float]](MAX_JOBS)
        self._sent = LRUCache[str, tuple[float, float]](MAX_JOBS)
        """Fraction and time of each job; the latter as last sent to other processes."""
        bus.subscribe(Topic.PROGRESS, self._on_progress)

    def report(self, job_id: str, fraction: float) -> None:
        """Set the progress of a job of this process, from 0 to 1, and notify the others."""
        now = self._clock.monotonic()
        sent, at = self._sent.get(job_id, (-1.0, float("-inf")))
        if abs(fraction - sent) >= MIN_STEP or now - at > MAX_AGE / 2:
            self._sent[job_id] = (fraction, now)
            self._bus.send(Topic.PROGRESS, json.dumps({job_id: round(fraction, 3)}))

    def forget(self, job_id: str) -> None:
        """Remove a job that has ended."""
        self._entries.pop(job_id, None)
        self._sent.pop(job_id, None)

    def fraction(self, job_id: str) -> float | None:
        """Return a job's progress, from 0 to 1; None when unknown."""
        fraction, at = self._entries.get(job_id, (None, 0.0))
        return fraction if self._clock.monotonic() - at <= MAX_AGE else None

    def _on_progress(self, payload: str) -> None:
        now = self._clock.monotonic()
        for job_id, fraction in fractions(payload).items():
            self._entries[job_id] = (fraction, now)


def fractions(payload: str) -> dict[str, float]:
    """Parse a progress notification; empty when it is invalid."""
    entries = mapping(load(payload)).items()
    return {job_id: float(value) for job_id, value in entries if isinstance(value, int | float) and 0 <= value <= 1}
