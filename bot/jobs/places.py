"""How many GPUs there are at the moment, and when each will be free of what it has.

Servers of this process are known exactly; what other processes' servers are at is worked out from the jobs that they
run. For forecasts only: it decides nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from bot.clock import Clock
from bot.jobs.durations import Durations
from bot.jobs.fleetrecords import FleetRecords, ServerHealth, ServerRecord
from bot.jobs.job import Job

KEPT = 5.0
"""Seconds for which the list of servers is not read again."""


class Known(Protocol):
    """The servers that this process works with."""

    def busy(self, key: str) -> float | None:
        """Return in how many seconds a server is free; None when it cannot be used, or is not ours."""
        ...

    def is_ours(self, key: str) -> bool:
        """Return whether this process works with a server."""
        ...


class Places:
    """Answers for the whole fleet."""

    def __init__(self, *, fleet: FleetRecords, known: Known, durations: Durations, clock: Clock) -> None:
        self._fleet = fleet
        self._known = known
        self._durations = durations
        self._clock = clock
        self._records: Sequence[ServerRecord] = ()
        self._read = float("-inf")

    @property
    def are_drained(self) -> bool:
        """Whether there are servers, and all of them are drained."""
        return bool(self._records) and all(record.drained for record in self._records)

    def forget(self) -> None:
        """Read the list of servers at the next look: it has changed."""
        self._read = float("-inf")

    async def look(self, running: Sequence[Job]) -> list[float]:
        """Return of each server at hand in how many seconds it will be free; `running` are the jobs on servers."""
        if self._clock.monotonic() - self._read > KEPT:
            self._records = await self._fleet.servers()
            self._read = self._clock.monotonic()
        elsewhere = self._remaining(running)
        waits = (self._busy(record, elsewhere) for record in self._records if not record.drained)
        return [wait for wait in waits if wait is not None]

    def _busy(self, record: ServerRecord, elsewhere: dict[str, float]) -> float | None:
        if self._known.is_ours(record.key):
            return self._known.busy(record.key)
        return elsewhere[record.key] if record.health == ServerHealth.ONLINE else None

    def _remaining(self, running: Sequence[Job]) -> dict[str, float]:
        now, remaining = self._clock.now(), defaultdict[str, float](float)
        for job in running:
            expected = self._durations.expect(job.spec.workflow, job.server)
            remaining[job.server] += max(0.0, expected - (now - job.started)) if job.started else expected
        return remaining
