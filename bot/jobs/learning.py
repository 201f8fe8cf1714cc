"""Brings the durations of past runs from the ledger into memory: at the start, and again where others run jobs too."""

import logging

from bot.clock import Clock
from bot.jobs.durations import Durations
from bot.jobs.records import JobStore, StoreDownError

log = logging.getLogger(__name__)

RUNS = 500
"""Newest runs that are looked at."""
LOOK_EVERY = 60.0
"""Seconds between two looks at what other processes have learnt."""


class Learning:
    """Keeps `durations` as the ledger says."""

    def __init__(self, *, store: JobStore, durations: Durations, clock: Clock) -> None:
        self._store = store
        self._durations = durations
        self._clock = clock

    async def look(self) -> None:
        """Learn from the newest runs, and forget what was learnt before."""
        try:
            runs = await self._store.past_runs(RUNS)
        except StoreDownError:
            log.debug("nothing is learnt of past runs: the database does not answer")
            return
        self._durations.restart((run.workflow, run.server, run.seconds) for run in runs)

    async def run(self) -> None:
        """Look for ever; the owner cancels this."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            await self.look()
