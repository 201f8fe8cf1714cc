"""Cancels jobs for people: at once while they wait, through whoever carries them while a server has them.

Another process may have the server, or the wish may be older than this process: so every carrier also looks now and
then whether the store knows of somebody's wish.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from bot.clock import Clock
from bot.jobs.carrier import Carrier
from bot.jobs.deliverer import Deliverer
from bot.jobs.hints import Hints, Topic
from bot.jobs.job import Job, JobState
from bot.jobs.naps import nap
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
        carriers: Callable[[], Iterable[Carrier]],
        hints: Hints,
        clock: Clock,
    ) -> None:
        """`carriers` are those of the servers that this process works with just now."""
        self._store = store
        self._queue = queue
        self._deliverer = deliverer
        self._carriers = carriers
        self._hints = hints
        self._clock = clock
        self._asked = asyncio.Event()
        hints.listen(Topic.CANCEL, lambda _payload: self._asked.set())

    async def cancel(self, job_id: str, by: int) -> Job | None:
        """Cancel a job for the user `by`, and return its newest version; whether they may is not asked here."""
        job = await self._store.cancel(job_id, by, self._clock.now())
        if job is None:
            return None
        if job.state is JobState.CANCELLED:
            self._deliverer.wake()
            self._queue.left(job.id)
        elif job.state is JobState.RUNNING:
            self._reach(job, by)
        return job

    def _reach(self, job: Job, by: int) -> None:
        """Tell whoever has the job: here, or in another process."""
        for carrier in self._carriers():
            if carrier.server == job.server and carrier.cancel(job.id, by):
                return
        self._hints.send(Topic.CANCEL, job.server)

    async def run(self) -> None:
        """Look for wishes, for ever; the owner cancels this."""
        while True:
            await nap(self._clock, min(LOOK_EVERY, self._hints.look_every), self._asked)
            self._asked.clear()
            try:
                await self.look()
            except StoreDownError:
                log.debug("no look for cancelled jobs: the database does not answer")

    async def look(self) -> None:
        """Look for wishes once."""
        for carrier in tuple(self._carriers()):
            if carrier.is_busy:
                for job_id, by in await self._store.to_cancel(carrier.server):
                    carrier.cancel(job_id, by)
