"""Enqueues requests, so that none is lost between Discord's answer and the queue.

A request is saved as HELD before Discord is answered, and queued once its message is known. If the process crashes in
between, the next one asks Discord whether the member got an answer. If not, the command visibly failed and the job is
dropped; otherwise it continues, or its message asks the member to repeat the command.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from bot.aio import backoff, cancel_and_wait
from bot.clock import Clock
from bot.errors import FailedError, OfflineError
from bot.i18n import Message, _
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.job import Delivery, Job, JobState, MessageLocation, Requester, StaleJobError
from bot.jobs.ports import Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.policy.terms import QueueTerms
from bot.workflow.run.measure import measure
from bot.workflow.run.spec import RunSpec

log = logging.getLogger(__name__)

RESERVE_TIMEOUT = 1.2
"""Seconds for saving a request: Discord expects an answer within three, and there is more to do before it."""
FIND_ANSWER_PAUSES = (1.0, 3.0, 10.0, 30.0, 60.0)
"""Seconds between tries to ask Discord whether a member got an answer; the last one repeats."""


class Enqueuer:
    """Puts jobs into the queue. `close` it when the bot stops."""

    def __init__(
        self,
        *,
        store: JobRepository,
        queue: Dispatcher,
        presenter: Presenter,
        delivery_service: DeliveryService,
        run_times: RunTimeEstimates,
        clock: Clock,
        owner: str,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._store = store
        self._queue = queue
        self._presenter = presenter
        self._delivery_service = delivery_service
        self._run_times = run_times
        self._clock = clock
        self._owner = owner
        self._new_id = new_id
        self._tasks: set[asyncio.Task[None]] = set()

    async def reserve(
        self, spec: RunSpec, requester: Requester, place: MessageLocation, terms: QueueTerms | None = None
    ) -> Job:
        """Save a request before it is answered; `place` has no message yet, and `spec` may lack its graph.

        `terms` apply to all queued jobs of this member in this guild from now on. Raises `DuplicateJobError` for an
        interaction seen before, and `DatabaseUnavailableError` early enough for another answer.
        """
        job = Job(
            id=self._new_id(),
            spec=spec,
            requester=requester,
            place=place,
            created=self._clock.now(),
            state=JobState.HELD,
            holder=self._owner,
            estimate=self._run_times.expect(spec.workflow),
            pictures=measure(spec).count if spec.graph else 1,
        )
        try:
            async with asyncio.timeout(RESERVE_TIMEOUT):
                await self._store.add(job, terms)
        except TimeoutError as error:
            self._spawn(self._withdraw_if_stored(job))
            raise DatabaseUnavailableError from error
        except asyncio.CancelledError:
            self._spawn(self._withdraw_if_stored(job))
            raise
        return job

    async def enqueue(self, job: Job, spec: RunSpec, place: MessageLocation) -> Job:
        """Queue an answered request. Raises `StaleJobError` when it was cancelled meanwhile."""
        admitted = await self._store.queue(replace(job, spec=spec, place=place, pictures=measure(spec).count))
        self._queue.entered(admitted)
        return admitted

    async def refuse(self, job: Job, reason: Message) -> None:
        """Fail a request whose message already shows the reason."""
        await self._end(job, JobState.FAILED, error=reason, delivery=Delivery.SENT)

    async def withdraw(self, job: Job) -> None:
        """Cancel a request that the member knows was not accepted."""
        await self._end(job, JobState.CANCELLED, delivery=Delivery.SENT)

    def resolve_later(self, job: Job) -> None:
        """Find out in the background whether the member got an answer, after a crash or a failed answer."""
        self._spawn(self._resolve(job))

    async def close(self) -> None:
        """Stop resolving requests; the next start resumes."""
        await cancel_and_wait(*self._tasks)

    # ------------------------------------------------------------------ unresolved requests

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="unresolved request")
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an unresolved request could not be finished", exc_info=error)

    async def _withdraw_if_stored(self, job: Job) -> None:
        """Withdraw a job that the database may have saved in spite of the error."""
        for pause in FIND_ANSWER_PAUSES:
            await self._clock.sleep(pause)
            try:
                late = await self._store.get(job.id)
            except OfflineError:
                continue
            if late is not None:
                await self.withdraw(late)
            return

    async def _resolve(self, job: Job) -> None:
        """Queue, repeat or drop a HELD job, depending on its message."""
        try:
            message_id = job.place.message_id or await self._find_answer(job)
        except FailedError as error:
            await self._give_up(job, error.user_message)
            return
        if message_id is None:
            log.info("job %s dropped: its member was never answered", job.id)
            await self.withdraw(job)
        elif job.spec.graph:
            await self.enqueue(job, job.spec, replace(job.place, message_id=message_id))
        else:
            await self._ask_to_repeat(job, replace(job.place, message_id=message_id))

    async def _find_answer(self, job: Job) -> int | None:
        failures = 0
        while True:
            try:
                return await self._presenter.find_answer(job.place)
            except OfflineError:
                failures += 1
                await self._clock.sleep(backoff(FIND_ANSWER_PAUSES, failures))

    async def _ask_to_repeat(self, job: Job, place: MessageLocation) -> None:
        try:
            job = await self._store.update(job, place=place)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", job.id)
            return
        await self._give_up(job, _("I was restarted while checking this. Please run the command again."))

    async def _give_up(self, job: Job, reason: Message) -> None:
        """Fail a request that may have been accepted; the member is notified, by DM if its message is unknown."""
        try:
            await self._delivery_service.fail(job, reason)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", job.id)

    async def _end(self, job: Job, state: JobState, **changes: Any) -> None:
        try:
            await self._store.transition(job, state, finished=self._clock.now(), **changes)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", job.id)
