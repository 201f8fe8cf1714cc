"""Finds orphaned jobs at startup and periodically, and resumes them.

After a crash, most jobs are resumed by the worker of their server. This covers the rest: requests that were being
validated, and jobs on servers that are no longer used.
"""

import logging

from bot.clock import Clock
from bot.errors import OfflineError
from bot.jobs.delivery.service import Deliverer
from bot.jobs.enqueue import Intake
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.repository import JobStore
from bot.jobs.scheduling.dispatcher import JobQueue
from bot.jobs.server_registry import FleetRecords

log = logging.getLogger(__name__)

LOOK_EVERY = 60.0
"""Seconds between checks."""


class Recovery:
    """Resumes orphaned jobs on servers that are not in `fleet`. `alone`: no other process uses the database."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        intake: Intake,
        deliverer: Deliverer,
        clock: Clock,
        owner: str,
        fleet: FleetRecords,
        alone: bool,
    ) -> None:
        self._store = store
        self._queue = queue
        self._intake = intake
        self._deliverer = deliverer
        self._clock = clock
        self._owner = owner
        self._fleet = fleet
        self._alone = alone

    async def run(self) -> None:
        """Check until cancelled, ignoring requests that a live process may still be validating."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self._look(fresh=False)
            except OfflineError:
                log.warning("check for orphaned jobs postponed: the database does not answer")

    async def at_start(self) -> None:
        """Resume what earlier processes left, before any new request is accepted. Raises `OfflineError`."""
        # Leases from before a restart may be on servers no longer used; the others are acquired again soon
        await self._store.release(self._owner)
        await self._look(fresh=True)

    async def _look(self, *, fresh: bool) -> None:
        owner = self._owner if fresh else ""
        now = self._clock.now()
        servers = [record.key for record in await self._fleet.servers()]
        for job in await self._store.strays(owner, servers, now, alone=self._alone and fresh):
            try:
                await self._put_on_its_way(job)
            except IllegalMoveError:
                log.info("job %s was taken over elsewhere", job.id)

    async def _put_on_its_way(self, job: Job) -> None:
        log.warning("job %s was orphaned while %s", job.id, job.state)
        match job.state:
            case JobState.HELD:
                self._intake.leave_open(job)
            case JobState.RUNNING:  # its server is no longer used and cannot be asked
                await self._store.move(job, JobState.QUEUED)
                self._queue.wake()
            case _:
                self._deliverer.wake()
