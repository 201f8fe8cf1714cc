"""Retention: deletes old jobs and results, and verifies the usage counters of accounts.

Every step can be repeated and interrupted, and leaves undelivered results alone.
"""

import logging

from bot.clock import Clock
from bot.jobs.job import Delivery, Job
from bot.jobs.repository import DatabaseUnavailableError, JobRepository, ResultStore

log = logging.getLogger(__name__)

FIRST_DELAY = 60.0
"""Seconds after startup, to leave the bot time for more urgent work."""
INTERVAL = 3600.0
JOBS_KEPT = 30 * 24 * 3600.0
"""Seconds for which a finished job stays in `/history`."""
BATCH = 200
"""Jobs deleted per transaction."""
LEFTOVERS_KEPT = 3600.0
"""Seconds after which a partly written folder counts as abandoned."""


class Retention:
    """Runs the cleanup periodically. `results_kept` is in seconds after the end of a job."""

    def __init__(self, *, store: JobRepository, results: ResultStore, clock: Clock, results_kept: float) -> None:
        self._store = store
        self._results = results
        self._clock = clock
        self._results_kept = results_kept

    async def run(self) -> None:
        """Clean up periodically until cancelled."""
        await self._clock.sleep(FIRST_DELAY)
        while True:
            try:
                await self.prune()
            except (DatabaseUnavailableError, OSError) as error:
                log.warning("cleanup failed: %s", error)
            await self._clock.sleep(INTERVAL)

    async def prune(self) -> None:
        """Clean up once."""
        await self._forget_jobs()
        await self._prune_results()
        for drift in await self._store.recount():
            log.warning("account %s: %s was %d and is %d", drift.account_id, drift.counter, drift.kept, drift.counted)

    async def _forget_jobs(self) -> None:
        before = self._clock.now() - JOBS_KEPT
        while forgotten := await self._store.prune(before, limit=BATCH):
            for job_id in forgotten:
                await self._results.drop(job_id)

    async def _prune_results(self) -> None:
        """Delete expired results, and results whose job is deleted.

        The latter exist when the answer to `prune` is lost, or the process stops right after it.
        """
        now = self._clock.now()
        for job_id in await self._results.older_than(now - min(self._results_kept, JOBS_KEPT)):
            job = await self._store.get(job_id)
            if job is None or self._is_over(job, now):
                await self._results.drop(job_id)
        await self._results.clear_leftovers(now - LEFTOVERS_KEPT)

    def _is_over(self, job: Job, now: float) -> bool:
        """Whether the result is expired. An unfinished job may just have stored it, so it is not.

        An undelivered result is kept as long as its job is in `/history`.
        """
        if not job.state.is_final or job.delivery is Delivery.PENDING:
            return False
        kept = JOBS_KEPT if job.delivery is Delivery.UNDELIVERABLE else self._results_kept
        return now - job.finished >= kept
