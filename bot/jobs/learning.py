"""Loads run times of past jobs into the estimates: at startup, and periodically where other processes run jobs too."""

import logging

from bot.clock import Clock
from bot.jobs.durations import Durations
from bot.jobs.records import JobStore, StoreDownError

log = logging.getLogger(__name__)

RUNS = 500
LOOK_EVERY = 60.0
"""Seconds between refreshes."""


class Learning:
    """Keeps `durations` up to date with the recorded runs."""

    def __init__(self, *, store: JobStore, durations: Durations, clock: Clock) -> None:
        self._store = store
        self._durations = durations
        self._clock = clock

    async def look(self) -> None:
        """Rebuild the estimates from the newest runs."""
        try:
            runs = await self._store.past_runs(RUNS)
        except StoreDownError:
            log.debug("run-time estimates not refreshed: the database does not answer")
            return
        self._durations.restart((run.workflow, run.server, run.seconds) for run in runs)

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            await self.look()
