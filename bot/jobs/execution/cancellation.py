"""Cancels jobs: at once while they are queued, through the executor while they are on a server.

A running job may belong to another process, and the request may be older than this one, so each process also polls the
database for cancel requests.
"""

import asyncio
from collections.abc import Callable, Iterable

from bot.aio import poll_forever
from bot.clock import Clock
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.execution.executor import JobExecutor
from bot.jobs.job import Job, JobState
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.dispatcher import Dispatcher

POLL_INTERVAL = 1.0
"""Seconds between polls for cancel requests from other processes."""


class JobCanceller:
    """Passes cancel requests to the executors of this process's servers."""

    def __init__(
        self,
        *,
        store: JobRepository,
        queue: Dispatcher,
        delivery_service: DeliveryService,
        executors: Callable[[], Iterable[JobExecutor]],
        bus: NotificationBus,
        clock: Clock,
    ) -> None:
        self._store = store
        self._queue = queue
        self._delivery_service = delivery_service
        self._executors = executors
        self._bus = bus
        self._clock = clock
        self._requested = asyncio.Event()
        bus.subscribe(Topic.CANCEL, lambda _payload: self._requested.set())

    async def cancel(self, job_id: str, by: int) -> Job | None:
        """Cancel a job for the user `by` and return its newest version; permissions are the caller's business."""
        job = await self._store.cancel(job_id, by, self._clock.now())
        if job is None:
            return None
        if job.state is JobState.CANCELLED:
            self._delivery_service.wake()
            self._queue.left(job.id)
        elif job.state is JobState.RUNNING:
            ours = [executor for executor in self._executors() if executor.server == job.server]
            if not any(executor.cancel(job.id, by) for executor in ours):
                self._bus.send(Topic.CANCEL, job.server)
        return job

    async def run(self) -> None:
        """Poll for cancel requests until cancelled."""
        await poll_forever(
            self.poll,
            lambda: min(POLL_INTERVAL, self._bus.poll_interval),
            self._clock,
            wake=self._requested,
            ignore=(DatabaseUnavailableError,),
        )

    async def poll(self) -> None:
        """Poll once."""
        for executor in tuple(self._executors()):
            if executor.is_busy:
                for job_id, by in await self._store.cancel_requests(executor.server):
                    executor.cancel(job_id, by)
