"""The reservation of a delivery, and when a failed one is retried.

While a delivery is in progress, `not_before` is extended like the visibility timeout of a queue, so that no other
process delivers the job. If the process crashes, the delivery becomes due again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.repository import DatabaseUnavailableError, JobRepository

log = logging.getLogger(__name__)

VISIBILITY_TIMEOUT = 60.0
"""Seconds for which a delivery is reserved; extended while it is in progress."""
EXTEND_INTERVAL = 20.0
RETRY_FIRST, RETRY_MAX = 5.0, 600.0
"""Seconds until a failed delivery is retried; doubled each time."""
RETRY_PERIOD = 24 * 3600.0
"""Seconds after the end of a job for which delivery is retried."""


class DeliverySchedule:
    """Says when a delivery is due, in the job itself."""

    def __init__(self, *, store: JobRepository, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def reserved_until(self) -> float:
        """Return the `not_before` of a delivery that starts now."""
        return self._clock.now() + VISIBILITY_TIMEOUT

    @asynccontextmanager
    async def reserved(self, job: Job) -> AsyncGenerator[None]:
        """Extend the reservation while the delivery inside is in progress."""
        extending = asyncio.create_task(self._extend(job), name=f"delivery reservation of job {job.id}")
        try:
            yield
        finally:
            await cancel_and_wait(extending)

    async def retry(self, job: Job) -> None:
        """Make a failed delivery due again after a pause, or give up a day after the end of the job."""
        now = self._clock.now()
        if now - job.finished < RETRY_PERIOD:
            pause = min(RETRY_FIRST * 2 ** min(job.tries, 16), RETRY_MAX)
            await self._store.update(job, not_before=now + pause, tries=job.tries + 1)
            return
        log.error("job %s: delivery to Discord failed for a day; its result stays in /history", job.id)
        await self.finish(job, Delivery.UNDELIVERABLE)

    async def finish(self, job: Job, delivery: Delivery) -> None:
        """Save the result of a delivery attempt."""
        if delivery is Delivery.PENDING:
            await self.retry(job)
        elif job.state is JobState.DELIVERING:
            await self._store.transition(job, JobState.DONE, delivery=delivery)
        else:
            await self._store.update(job, delivery=delivery)

    async def _extend(self, job: Job) -> None:
        while True:
            await self._clock.sleep(EXTEND_INTERVAL)
            try:
                await self._store.update(job, not_before=self.reserved_until())
            except DatabaseUnavailableError:
                continue
