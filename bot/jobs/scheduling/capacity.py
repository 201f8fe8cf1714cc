"""Estimates how many servers are available and when each becomes idle.

Servers of this process are known exactly; for others it is calculated from their running jobs. Used for forecasts only.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from bot.clock import Clock
from bot.jobs.job import Job
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import ServerHealth, ServerRecord, ServerRegistry

CACHE_SECONDS = 5.0
"""Seconds for which the server list is cached."""


class LocalServers(Protocol):
    """The servers leased by this process."""

    def idle_in(self, key: str) -> float | None:
        """Return the seconds until a server is idle; None when it is offline or not ours."""
        ...

    def is_leased(self, key: str) -> bool:
        """Return whether this process holds the lease of a server."""
        ...


class CapacityEstimator:
    """Estimates the capacity of all servers."""

    def __init__(
        self, *, fleet: ServerRegistry, local: LocalServers, run_times: RunTimeEstimates, clock: Clock
    ) -> None:
        self._fleet = fleet
        self._local = local
        self._run_times = run_times
        self._clock = clock
        self._records: Sequence[ServerRecord] = ()
        self._read = float("-inf")

    @property
    def are_drained(self) -> bool:
        """Whether there are servers and all are drained."""
        return bool(self._records) and all(record.drained for record in self._records)

    def invalidate(self) -> None:
        """Drop the cached server list: it has changed."""
        self._read = float("-inf")

    async def estimate(self, running: Sequence[Job]) -> list[float]:
        """Return the seconds until idle for each available server; `running` are all running jobs."""
        if self._clock.monotonic() - self._read > CACHE_SECONDS:
            self._records = await self._fleet.servers()
            self._read = self._clock.monotonic()
        elsewhere = self._remaining(running)
        idle = (self._idle_in(record, elsewhere) for record in self._records if not record.drained)
        return [seconds for seconds in idle if seconds is not None]

    def _idle_in(self, record: ServerRecord, elsewhere: dict[str, float]) -> float | None:
        if self._local.is_leased(record.key):
            return self._local.idle_in(record.key)
        return elsewhere[record.key] if record.health == ServerHealth.ONLINE else None

    def _remaining(self, running: Sequence[Job]) -> dict[str, float]:
        now, remaining = self._clock.now(), defaultdict[str, float](float)
        for job in running:
            expected = self._run_times.expect(job.spec.workflow, job.server)
            remaining[job.server] += max(0.0, expected - (now - job.started)) if job.started else expected
        return remaining
