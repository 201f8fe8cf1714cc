"""Cancels jobs for people: at once while they wait, through whoever carries them while a server has them.

Another process may have the server, or the wish may be older than this process: so every carrier also looks now and
then whether the store knows of somebody's wish.
"""

import logging
from collections.abc import Sequence

from bot.clock import Clock
from bot.jobs.carrier import Carrier
from bot.jobs.deliverer import Deliverer
from bot.jobs.job import Job, JobState
from bot.jobs.queue import JobQueue
from bot.jobs.records import JobStore, StoreDownError

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks for wishes that came another way."""


class Canceller:
    """Brings wishes to the carriers of the servers that this process works with."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        deliverer: Deliverer,
        carriers: Sequence[Carrier],
        clock: Clock,
    ) -> None:
        self._store = store
        self._queue = queue
        self._deliverer = deliverer
        self._carriers = {carrier.server: carrier for carrier in carriers}
        self._clock = clock

    async def cancel(self, job_id: str, by: int) -> Job | None:
        """Cancel a job for the user `by`, and return its newest version; whether they may is not asked here."""
        job = await self._store.cancel(job_id, by, self._clock.now())
        if job is None:
            return None
        if job.state is JobState.CANCELLED:
            self._deliverer.wake()
            self._queue.wake()
        elif job.state is JobState.RUNNING and (carrier := self._carriers.get(job.server)):
            carrier.cancel(job.id, by)
        return job

    async def run(self) -> None:
        """Look for wishes, for ever; the owner cancels this."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self.look()
            except StoreDownError:
                log.debug("no look for cancelled jobs: the database does not answer")

    async def look(self) -> None:
        """Look for wishes once."""
        for server, carrier in self._carriers.items():
            if carrier.is_busy:
                for job_id, by in await self._store.to_cancel(server):
                    carrier.cancel(job_id, by)
