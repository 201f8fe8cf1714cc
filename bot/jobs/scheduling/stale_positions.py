"""Repairs messages that still show a queue position although another process has finished the job.

An edit with a position can reach Discord after another process has delivered the result, which it then overwrites. Once
such an edit is done, a result delivered in the meantime is delivered again.
"""

import asyncio
import logging
from collections.abc import Callable, Collection

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.ports import Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository

log = logging.getLogger(__name__)

EDIT_SETTLE_TIMEOUT = 120.0
"""Seconds for pending edits: longer than all their retries."""
DELIVERY_POLL_INTERVAL = 1.0
"""Seconds between polls of a delivery in progress."""
CLOCK_SKEW = 0.5
"""Maximum clock difference between two machines, in seconds."""
MAX_CONCURRENT = 4
"""Concurrent lookups."""
DELIVERED = (Delivery.SENT, Delivery.UNDELIVERABLE)


class StalePositionRepair:
    """Handles jobs that another process took from the queue. `close` it on shutdown."""

    def __init__(
        self,
        *,
        store: JobRepository,
        presenter: Presenter,
        bus: NotificationBus,
        is_ours: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        """`is_ours` says whether this process holds the lease of a server (`Backend.key`)."""
        self._store = store
        self._presenter = presenter
        self._bus = bus
        self._is_ours = is_ours
        self._clock = clock
        self._lookups = asyncio.Semaphore(MAX_CONCURRENT)
        self._tasks: set[asyncio.Task[None]] = set()

    def check(self, jobs: Collection[str]) -> None:
        """Check jobs that are no longer in the queue; returns at once."""
        for job_id in jobs:
            task = asyncio.create_task(self._repair(job_id), name=f"job {job_id} has left the queue")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel pending repairs."""
        await cancel_and_wait(*self._tasks)

    async def _repair(self, job_id: str) -> None:
        try:
            async with self._lookups:
                job = await self._store.get(job_id)
            if job is not None and self._is_ours(job.server):
                return
            edited = self._presenter.forget(job_id)
            if edited:
                async with asyncio.timeout(EDIT_SETTLE_TIMEOUT):
                    await self._presenter.wait_for_edit(job_id)
                    await self._redeliver(job_id, edited)
        except (DatabaseUnavailableError, TimeoutError, StaleJobError) as error:
            log.warning("job %s: its message may show an outdated queue position: %s", job_id, type(error).__name__)

    async def _redeliver(self, job_id: str, edited: float) -> None:
        """Deliver the result again if an edit made at `edited` may have overwritten it."""
        job = await self._store.get(job_id)
        if job is None or not job.finished or edited < job.finished - CLOCK_SKEW:
            return
        while job is not None and _is_being_delivered(job):  # it may have arrived before our edit, but not be saved yet
            await self._clock.sleep(DELIVERY_POLL_INTERVAL)
            job = await self._store.get(job_id)
        if job is not None and job.state.is_final and job.delivery in DELIVERED:
            await self._store.update(job, delivery=Delivery.PENDING, not_before=self._clock.now())
            self._bus.send(Topic.DUE)


def _is_being_delivered(job: Job) -> bool:
    return job.state is JobState.DELIVERING or (job.state.is_final and job.delivery is Delivery.PENDING)
