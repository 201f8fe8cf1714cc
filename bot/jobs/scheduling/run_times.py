"""Run-time estimates: moving averages of past runs per workflow and server, with coarser averages as fallback.

Kept in memory, and rebuilt from the newest recorded runs at startup and, with several processes, every minute.
"""

import logging
from collections.abc import Iterable, Mapping

from bot.aio import poll_forever
from bot.clock import Clock
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

DEFAULT_SECONDS = 30.0
"""Seconds assumed for a run while nothing is known."""
SMOOTHING = 0.2
"""Weight of the newest run: about the last dozen matter, because settings and models change."""
MAX_RUNS = 500
"""Recorded runs from which the averages are rebuilt."""
RELOAD_INTERVAL = 60.0
"""Seconds between refreshes."""


class RunTimeEstimates:
    def __init__(self) -> None:
        self._known: dict[tuple[str, str], float] = {}
        self._hinted: Mapping[str, float | None] = {}

    def set_hints(self, workflows: Mapping[str, Workflow]) -> None:
        """Take over the authors' estimates, used until a run has been measured."""
        self._hinted = {name: workflow.manifest.seconds for name, workflow in workflows.items()}

    def record(self, workflow: str, server: str, seconds: float) -> None:
        """Add the measured time of a run."""
        for key in ((workflow, server), (workflow, ""), ("", server), ("", "")):
            known = self._known.get(key)
            self._known[key] = seconds if known is None else known + SMOOTHING * (seconds - known)

    def restart(self, runs: Iterable[tuple[str, str, float]]) -> None:
        """Rebuild all averages from these runs (workflow, server, seconds), oldest first."""
        self._known.clear()
        for workflow, server, seconds in runs:
            self.record(workflow, server, seconds)

    def expect(self, workflow: str, server: str = "") -> float:
        """Return the estimated seconds of a run, on a server or on any; with workflow "", of any run there."""
        for key in ((workflow, server), (workflow, "")):
            if key in self._known:
                return self._known[key]
        return self._hinted.get(workflow) or self._known.get(("", ""), DEFAULT_SECONDS)


class RunTimeLoader:
    """Keeps `run_times` up to date with the recorded runs."""

    def __init__(self, *, store: JobRepository, run_times: RunTimeEstimates, clock: Clock) -> None:
        self._store = store
        self._run_times = run_times
        self._clock = clock

    async def load(self) -> None:
        """Rebuild the estimates from the newest runs."""
        try:
            runs = await self._store.past_runs(MAX_RUNS)
        except DatabaseUnavailableError:
            log.debug("run-time estimates not refreshed: the database does not answer")
            return
        self._run_times.restart((run.workflow, run.server, run.seconds) for run in runs)

    async def run(self) -> None:
        """Refresh until cancelled."""
        await poll_forever(self.load, RELOAD_INTERVAL, self._clock, delay=RELOAD_INTERVAL)
