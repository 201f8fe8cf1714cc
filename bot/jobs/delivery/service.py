"""Delivery of finished jobs: stores the result, posts it, and retries deliveries that failed.

Due deliveries are recorded in the database; this service limits how many run at the same time. It can stop and restart
at any moment: delivery is idempotent.
"""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from bot.aio import cancel_and_wait, wait_for_event
from bot.clock import Clock
from bot.i18n import Message
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.delivery.delivery_attempt import VISIBILITY_TIMEOUT, DeliveryAttempt
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.outcome import Outcome
from bot.jobs.ports import Backend, Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository, ResultStore
from bot.workflow.run.events import OutputFile

log = logging.getLogger(__name__)

MAX_CONCURRENT = 8
"""Concurrent deliveries; files of further jobs wait in the result store."""
STOP_GRACE = 4.0
"""Seconds for deliveries in progress when the bot stops."""


class DeliveryService:
    """Delivers finished jobs. `find` returns the server of a key, which may have files that the result store lacks."""

    def __init__(
        self,
        *,
        store: JobRepository,
        presenter: Presenter,
        results: ResultStore,
        find: Callable[[str], Backend | None],
        bus: NotificationBus,
        owner: str,
        clock: Clock,
    ) -> None:
        self._bus = bus
        self._store = store
        self._results = results
        self._owner = owner
        self._clock = clock
        self._attempt = DeliveryAttempt(
            store=store,
            presenter=presenter,
            results=results,
            find=find,
            clock=clock,
        )
        self._due = asyncio.Event()
        bus.subscribe(Topic.DUE, lambda _payload: self._due.set())
        self._under_way: dict[asyncio.Task[None], Job] = {}
        self._reserved = 0

    # ------------------------------------------------------------------ ending jobs

    async def succeed(self, job: Job, outcome: Outcome) -> None:
        """Store the result of a RUNNING job and deliver it; on return it survives a crash of bot and server.

        Raises `StaleJobError`, without delivering, when another process has taken the job over.
        """
        try:
            await self._results.put(job.id, outcome.files)
        except OSError:
            log.exception("job %s: cannot store its result on disk", job.id)
        await self._end(
            job,
            JobState.DELIVERING,
            files=outcome.files,
            outputs=tuple(file.ref for file in outcome.files),
            note=outcome.note,
            started=job.started or self._clock.now(),  # a run without any progress event cannot have been long
        )

    async def fail(self, job: Job, reason: Message) -> None:
        """End a job without a result and deliver the reason. Raises `StaleJobError` when it was taken over."""
        log.info("job %s failed: %s", job.id, reason)
        await self._end(job, JobState.FAILED, error=reason)

    async def cancel(self, job: Job) -> None:
        """End a job that was cancelled while it was on a server. Raises `StaleJobError` when it was taken over."""
        log.info("job %s was cancelled by %s", job.id, job.cancel_by)
        await self._end(job, JobState.CANCELLED, cancel_by=job.cancel_by)

    async def deliver_soon(self, job: Job) -> None:
        """Deliver a DELIVERING or ended job now instead of when it is due."""
        await self._store.update(job, not_before=self._clock.now())
        self.wake()

    def wake(self) -> None:
        """Check for due deliveries soon."""
        self._bus.send(Topic.DUE)

    async def release_server(self, server: str) -> None:
        """Leave the jobs of a server to its new lease holder; deliveries in progress may finish."""
        await self._finish([task for task, job in self._under_way.items() if job.server == server])

    async def _end(self, job: Job, state: JobState, *, files: Sequence[OutputFile] = (), **changes: Any) -> None:
        now = self._clock.now()
        if job.started:  # for short runs it was not saved yet
            changes.setdefault("started", job.started)
        with self._reservation() as is_mine:
            not_before = now + VISIBILITY_TIMEOUT if is_mine else now
            ended = await self._store.transition(
                job, state, delivery=Delivery.PENDING, finished=now, not_before=not_before, **changes
            )
        if is_mine:
            self._start(ended, files)

    # ------------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Deliver what is due until cancelled; deliveries in progress then get `STOP_GRACE` to finish."""
        try:
            # At startup, workers first take over the orphaned jobs of their servers, and wake this loop when done
            await wait_for_event(self._clock, self._bus.poll_interval, self._due)
            while True:
                self._due.clear()
                if (job := await self._claim_due()) is not None:
                    self._start(job, ())
                else:
                    await wait_for_event(self._clock, self._bus.poll_interval, self._due)
        finally:
            await self._finish(list(self._under_way))

    async def _claim_due(self) -> Job | None:
        now = self._clock.now()
        with self._reservation() as is_free:
            try:
                return (
                    await self._store.claim_due_delivery(self._owner, now, now + VISIBILITY_TIMEOUT)
                    if is_free
                    else None
                )
            except DatabaseUnavailableError:
                log.warning("deliveries are delayed: the database does not answer")
                return None

    @contextmanager
    def _reservation(self) -> Generator[bool, None, None]:
        """Reserve a delivery slot while the database is queried; False when there is none."""
        is_free = len(self._under_way) + self._reserved < MAX_CONCURRENT
        self._reserved += is_free
        try:
            yield is_free
        finally:
            self._reserved -= is_free

    def _start(self, job: Job, files: Sequence[OutputFile]) -> None:
        task = asyncio.create_task(self._attempt.attempt(job, files), name=f"delivery of job {job.id}")
        self._under_way[task] = job
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._due.set()

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_GRACE)
        await cancel_and_wait(*tasks)
