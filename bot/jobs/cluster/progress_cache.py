"""A cache of the progress of all running jobs, for pages such as `/queue`.

Best effort: entries expire after a minute without news.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

from bot.clock import Clock
from bot.jobs.cluster.bus import Hints, Topic

KEPT = 60.0
"""Seconds until an entry expires."""
MOST = 2_000
STEP = 0.01
"""Minimum progress that is sent to other processes."""


class ProgressBoard:
    """Caches the progress of this process's jobs, and of others as notified."""

    def __init__(self, *, hints: Hints, clock: Clock) -> None:
        self._hints = hints
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._told: OrderedDict[str, tuple[float, float]] = OrderedDict()
        hints.listen(Topic.PROGRESS, self._hear)

    def tell(self, job_id: str, fraction: float) -> None:
        """Set the progress of a job of this process, from 0 to 1, and notify the others."""
        now = self._clock.monotonic()
        told, at = self._told.get(job_id, (-1.0, float("-inf")))
        if abs(fraction - told) >= STEP or now - at > KEPT / 2:
            _keep(self._told, job_id, (fraction, now))
            self._hints.send(Topic.PROGRESS, json.dumps({job_id: round(fraction, 3)}))

    def forget(self, job_id: str) -> None:
        """Remove a job that has ended."""
        self._entries.pop(job_id, None)
        self._told.pop(job_id, None)

    def fraction(self, job_id: str) -> float | None:
        """Return a job's progress, from 0 to 1; None when unknown."""
        fraction, at = self._entries.get(job_id, (None, 0.0))
        return fraction if self._clock.monotonic() - at <= KEPT else None

    def _hear(self, payload: str) -> None:
        now = self._clock.monotonic()
        for job_id, fraction in fractions(payload).items():
            _keep(self._entries, job_id, (fraction, now))


def fractions(payload: str) -> dict[str, float]:
    """Parse a progress notification; empty when it is invalid."""
    said = json_object(payload).items()
    return {job_id: float(value) for job_id, value in said if isinstance(value, int | float) and 0 <= value <= 1}


def json_object(text: object) -> Mapping[str, Any]:
    """Parse a JSON object; empty when the text is something else."""
    try:
        value: object = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _keep(entries: OrderedDict[str, tuple[float, float]], job_id: str, entry: tuple[float, float]) -> None:
    entries[job_id] = entry
    entries.move_to_end(job_id)
    while len(entries) > MOST:
        entries.popitem(last=False)
