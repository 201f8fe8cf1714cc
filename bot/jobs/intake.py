"""Takes requests in, so that none gets lost between Discord's answer and the line.

A request is written down HELD before Discord hears of it, and enters the line once its message is known. If the process
ends in between, the next one finds the record and asks Discord whether the member was ever answered: if not, the member
saw the command fail and nothing is owed; if so, the job goes on, or its message says that the pictures must come again.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from bot.clock import Clock
from bot.errors import FailedError, OfflineError
from bot.i18n import Message, _
from bot.jobs.deliverer import Deliverer
from bot.jobs.durations import Durations
from bot.jobs.job import Delivery, IllegalMoveError, Job, JobState, Place, Requester
from bot.jobs.ports import Presenter
from bot.jobs.queue import JobQueue
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.terms import Terms
from bot.workflow.measure import measure
from bot.workflow.spec import RunSpec

log = logging.getLogger(__name__)

BEGIN_LIMIT = 1.2
"""Seconds for writing a request down: Discord waits three for the answer, and there is more to do before it."""
ASK_AGAIN = (1.0, 3.0, 10.0, 30.0, 60.0)
"""Seconds between tries to learn from Discord whether a member was answered; the last one repeats."""


class Intake:
    """The way into the line. `close` it when the bot stops."""

    def __init__(
        self,
        *,
        store: JobStore,
        queue: JobQueue,
        presenter: Presenter,
        deliverer: Deliverer,
        durations: Durations,
        clock: Clock,
        owner: str,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._store = store
        self._queue = queue
        self._presenter = presenter
        self._deliverer = deliverer
        self._durations = durations
        self._clock = clock
        self._owner = owner
        self._new_id = new_id
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, spec: RunSpec, requester: Requester, place: Place, terms: Terms | None = None) -> Job:
        """Write a request down before it is answered; `place` has no message yet, and `spec` may lack its graph.

        `terms` are those on which all jobs of this member in this guild stand in the line from now on.

        Raises `DuplicateJobError` for an interaction that was seen before, and `StoreDownError` while there is time
        for another answer.
        """
        job = Job(
            id=self._new_id(),
            spec=spec,
            requester=requester,
            place=place,
            created=self._clock.now(),
            state=JobState.HELD,
            holder=self._owner,
            estimate=self._durations.expect(spec.workflow),
            pictures=measure(spec).count if spec.graph else 1,
        )
        try:
            async with asyncio.timeout(BEGIN_LIMIT):
                await self._store.add(job, terms)
        except TimeoutError as error:
            self._later(self._forget_late(job))
            raise StoreDownError from error
        except asyncio.CancelledError:
            self._later(self._forget_late(job))
            raise
        return job

    async def admit(self, job: Job, spec: RunSpec, place: Place) -> Job:
        """Put an answered request into the line. Raises `IllegalMoveError` when it was cancelled meanwhile."""
        admitted = await self._store.admit(replace(job, spec=spec, place=place, pictures=measure(spec).count))
        self._queue.entered(admitted)
        return admitted

    async def refuse(self, job: Job, reason: Message) -> None:
        """End a request whose message says already why it does not become a run."""
        await self._end(job, JobState.FAILED, error=reason, delivery=Delivery.SENT)

    async def withdraw(self, job: Job) -> None:
        """End a request of which the member knows that it was not accepted."""
        await self._end(job, JobState.CANCELLED, delivery=Delivery.SENT)

    def leave_open(self, job: Job) -> None:
        """Find out in the background whether the member was answered; returns at once.

        For requests whose answer broke off, and for those that a process was reading when it ended.
        """
        self._later(self._resolve(job))

    async def close(self) -> None:
        """Let go of what is in doubt; the next start takes it up again."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ in doubt

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="a request in doubt")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request in doubt was not brought to an end", exc_info=error)

    async def _forget_late(self, job: Job) -> None:
        """Withdraw what the database may have taken all the same."""
        for pause in ASK_AGAIN:
            await self._clock.sleep(pause)
            try:
                late = await self._store.get(job.id)
            except OfflineError:
                continue
            if late is not None:
                await self.withdraw(late)
            return

    async def _resolve(self, job: Job) -> None:
        """Bring a HELD request to where it belongs."""
        try:
            message_id = job.place.message_id or await self._find_answer(job)
        except FailedError as error:
            await self._give_up(job, error.user_message)
            return
        if message_id is None:
            log.info("job %s: its member was never answered; it is dropped", job.id)
            await self.withdraw(job)
        elif job.spec.graph:
            await self.admit(job, job.spec, replace(job.place, message_id=message_id))
        else:
            await self._ask_to_repeat(job, replace(job.place, message_id=message_id))

    async def _find_answer(self, job: Job) -> int | None:
        tries = 0
        while True:
            try:
                return await self._presenter.find_answer(job.place)
            except OfflineError:
                await self._clock.sleep(ASK_AGAIN[min(tries, len(ASK_AGAIN) - 1)])
                tries += 1

    async def _ask_to_repeat(self, job: Job, place: Place) -> None:
        reason = _("The bot was restarted while it looked at this. Please send the command again.")
        try:
            noted = await self._store.note(job, place=place)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)
            return
        await self._give_up(noted, reason)

    async def _give_up(self, job: Job, reason: Message) -> None:
        """End a request that may have been accepted; its member is told, directly if its message is not known."""
        try:
            await self._deliverer.fail(job, reason)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)

    async def _end(self, job: Job, state: JobState, **changes: Any) -> None:
        try:
            await self._store.move(job, state, finished=self._clock.now(), **changes)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)
