"""Finds orphaned jobs at startup and periodically, and resumes them.

After a crash, most jobs are resumed by the worker of their server. This covers the rest: requests that were being
validated, and jobs on servers that are no longer used.
"""

import logging

from bot.aio import poll_forever
from bot.clock import Clock
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.enqueue import Enqueuer
from bot.jobs.job import Job, JobState, StaleJobError
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.jobs.server_registry import ServerRegistry

log = logging.getLogger(__name__)

SCAN_INTERVAL = 60.0
"""Seconds between checks."""


class Recovery:
    """Resumes orphaned jobs on servers that are not in `fleet`. `alone`: no other process uses the database."""

    def __init__(
        self,
        *,
        store: JobRepository,
        queue: Dispatcher,
        enqueuer: Enqueuer,
        delivery_service: DeliveryService,
        clock: Clock,
        owner: str,
        fleet: ServerRegistry,
        alone: bool,
    ) -> None:
        self._store = store
        self._queue = queue
        self._enqueuer = enqueuer
        self._delivery_service = delivery_service
        self._clock = clock
        self._owner = owner
        self._fleet = fleet
        self._alone = alone

    async def run(self) -> None:
        """Check until cancelled, ignoring requests that a live process may still be validating."""
        await poll_forever(
            lambda: self._scan("", alone=False),
            SCAN_INTERVAL,
            self._clock,
            delay=SCAN_INTERVAL,
            ignore=(DatabaseUnavailableError,),
        )

    async def at_start(self) -> None:
        """Resume what earlier processes left, before any new request is accepted. Raises `DatabaseUnavailableError`."""
        # Leases from before a restart may be on servers no longer used; the others are acquired again soon
        await self._store.release_leases(self._owner)
        await self._scan(self._owner, alone=self._alone)

    async def _scan(self, owner: str, *, alone: bool) -> None:
        servers = [record.key for record in await self._fleet.servers()]
        for job in await self._store.orphans(owner, servers, self._clock.now(), alone=alone):
            try:
                await self._recover(job)
            except StaleJobError:
                log.info("job %s was taken over elsewhere", job.id)

    async def _recover(self, job: Job) -> None:
        log.warning("job %s was orphaned while %s", job.id, job.state)
        match job.state:
            case JobState.HELD:
                self._enqueuer.resolve_later(job)
            case JobState.RUNNING:  # its server is no longer used and cannot be asked
                await self._store.transition(job, JobState.QUEUED)
                self._queue.wake()
            case _:
                self._delivery_service.wake()
