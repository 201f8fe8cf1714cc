"""Finds jobs that nobody will bring to an end any more, at the start and now and then, and puts them on their way.

Most of what a crash leaves behind is taken up by the runner of the server that has it. This is for the rest: requests
that were being read, and jobs on a server that is not used any more.
"""

import logging

from bot.clock import Clock
from bot.errors import OfflineError
from bot.jobs.deliverer import Deliverer
from bot.jobs.fleetrecords import FleetRecords
from bot.jobs.intake import Intake
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.queue import JobQueue
from bot.jobs.records import JobStore

log = logging.getLogger(__name__)

LOOK_EVERY = 60.0
"""Seconds between two looks."""


class Recovery:
    """Looks for strays, on servers that are not among those of `fleet`. `alone`: no other process works on the jobs."""

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
        """Look for ever; what this process itself reads just now is old enough to count only after a crash."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self._look(fresh=False)
            except OfflineError:
                log.warning("the database cannot be reached; looking for strays again later")

    async def at_start(self) -> None:
        """Take up what earlier processes left, before anything new is taken in. Raises `OfflineError`."""
        # Of this instance's last life, perhaps on servers that are not used any more; the others are taken anew soon
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
                log.info("job %s went on elsewhere", job.id)

    async def _put_on_its_way(self, job: Job) -> None:
        log.warning("job %s was left behind %s", job.id, job.state)
        match job.state:
            case JobState.HELD:
                self._intake.leave_open(job)
            case JobState.RUNNING:  # its server is not used any more, and cannot be asked
                await self._store.move(job, JobState.QUEUED)
                self._queue.wake()
            case _:
                self._deliverer.wake()
