"""Keeps what is kept within bounds: forgets old jobs, clears the shelf, and checks the counters of accounts.

Every step may be repeated and interrupted; nothing that somebody still waits for is touched.
"""

import logging

from bot.clock import Clock
from bot.jobs.job import Delivery, Job
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.shelves import TidyShelf

log = logging.getLogger(__name__)

FIRST_AFTER = 60.0
"""Seconds from the start of the bot, which has other things to do at first."""
EVERY = 3600.0
JOBS_KEPT = 30 * 24 * 3600.0
"""Seconds for which an ended job can be found in `/history`."""
BATCH = 200
"""Jobs that are forgotten in one transaction."""
REMAINS_KEPT = 3600.0
"""Seconds after which a folder that is being written counts as left over."""


class Janitor:
    """Tidies up now and then. `results_kept` is in seconds, from the end of a job."""

    def __init__(self, *, store: JobStore, shelf: TidyShelf, clock: Clock, results_kept: float) -> None:
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._results_kept = results_kept

    async def run(self) -> None:
        """Tidy for ever; the owner cancels this."""
        await self._clock.sleep(FIRST_AFTER)
        while True:
            try:
                await self.tidy()
            except (StoreDownError, OSError) as error:
                log.warning("tidying up broke off: %s", error)
            await self._clock.sleep(EVERY)

    async def tidy(self) -> None:
        """Tidy once."""
        await self._forget_jobs()
        await self._clear_shelf()
        for drift in await self._store.recount():
            log.warning("account %s: %s was %d and is %d", drift.account_id, drift.counter, drift.kept, drift.counted)

    async def _forget_jobs(self) -> None:
        before = self._clock.now() - JOBS_KEPT
        while forgotten := await self._store.prune(before, limit=BATCH):
            for job_id in forgotten:
                await self._shelf.drop(job_id)

    async def _clear_shelf(self) -> None:
        """Forget results that were kept long enough, and those of jobs that are forgotten, however long they are kept.

        The latter are left over when the answer to `prune` is lost, or we break off behind it.
        """
        now = self._clock.now()
        for job_id in await self._shelf.older_than(now - min(self._results_kept, JOBS_KEPT)):
            job = await self._store.get(job_id)
            if job is None or self._is_over(job, now):
                await self._shelf.drop(job_id)
        await self._shelf.clear_remains(now - REMAINS_KEPT)

    def _is_over(self, job: Job, now: float) -> bool:
        """Whether nobody can wait for the job's result any more; one that goes on may just have put it there.

        What was never shown waits for its member as long as the job can be found in `/history`.
        """
        if not job.state.is_final or job.delivery is Delivery.PENDING:
            return False
        kept = JOBS_KEPT if job.delivery is Delivery.KEPT else self._results_kept
        return now - job.finished >= kept
