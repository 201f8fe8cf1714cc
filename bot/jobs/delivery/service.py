"""Delivery of finished jobs: stores the result, shows it, and retries deliveries that failed.

Due deliveries are recorded in the database; this service limits how many run at the same time. It can stop and restart
at any moment: delivery is idempotent.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bot.aio import cancel_and_wait, wait_for_event
from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import Message, _
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.delivery.schedule import DeliverySchedule
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.outcome import Outcome, cancellation_text
from bot.jobs.ports import Backend, Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository, ResultStore
from bot.workflow.run.events import OutputFile, ServerOfflineError

log = logging.getLogger(__name__)

MAX_CONCURRENT = 8
"""Concurrent deliveries; files of further jobs wait in the result store."""
ATTEMPT_TIMEOUT = 600.0
"""Seconds for one attempt, with all its files and retries."""
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
        self._presenter = presenter
        self._results = results
        self._find = find
        self._owner = owner
        self._clock = clock
        self._schedule = DeliverySchedule(store=store, clock=clock)
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

    # ------------------------------------------------------------------ earlier than due

    async def deliver_soon(self, job: Job) -> None:
        """Deliver a DELIVERING or ended job now instead of when it is due."""
        await self._store.update(job, not_before=self._clock.now())
        self.wake()

    async def deliver_now(self, job: Job) -> bool:
        """Deliver a DELIVERING or ended job, also one that was delivered before; False if it has no files to show yet.

        Raises `StaleJobError` when another process delivers it meanwhile.
        """
        files = await self._results.get(job.id) if job.state in (JobState.DELIVERING, JobState.DONE) else ()
        if job.state is JobState.DELIVERING and not files:
            return False  # still being fetched from the server
        if taken := await self._store.take_over(job.id):
            taken = replace(taken, tries=0)  # earlier failures do not delay a retry
            if taken.state is JobState.DONE and not files:
                await self._explain(taken, _("This result has expired. Please run it again."))
            else:
                await self._deliver(taken, files)
        return True

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
            not_before = self._schedule.reserved_until() if is_mine else now
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
        with self._reservation() as is_free:
            if not is_free:
                return None
            try:
                until = self._schedule.reserved_until()
                return await self._store.claim_due_delivery(self._owner, self._clock.now(), until)
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
        task = asyncio.create_task(self._attempt(job, files), name=f"delivery of job {job.id}")
        self._under_way[task] = job
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._due.set()

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_GRACE)
        await cancel_and_wait(*tasks)

    # ------------------------------------------------------------------ one attempt

    async def _attempt(self, job: Job, files: Sequence[OutputFile]) -> None:
        """Deliver a job, or leave it for a retry; `files` saves reading them from the result store."""
        try:
            await self._deliver(job, files)
        except StaleJobError:
            log.info("job %s is delivered elsewhere", job.id)
        except DatabaseUnavailableError:
            log.warning("job %s: delivery will be repeated: the database does not answer", job.id)
        except Exception:  # whatever is wrong with one job, it is retried less and less often
            log.exception("job %s: delivery crashed", job.id)
            try:
                await self._schedule.retry(job)
            except (StaleJobError, DatabaseUnavailableError):
                log.info("job %s: its delivery will become due again", job.id)

    async def _deliver(self, job: Job, files: Sequence[OutputFile]) -> None:
        if job.state not in (JobState.DELIVERING, JobState.DONE):
            return await self._explain(job, job.error or cancellation_text(job))
        try:
            delivery = await self._show(job, files)
        except ServerOfflineError:
            delivery = Delivery.PENDING
        except FailedError as error:  # the result cannot be shown in any way
            log.warning("job %s: its result cannot be shown: %s", job.id, error)
            if job.state is JobState.DELIVERING:
                not_before = self._schedule.reserved_until()
                job = await self._store.transition(
                    job, JobState.FAILED, error=error.user_message, not_before=not_before
                )
                return await self._explain(job, error.user_message)
            await self._in_time(job, self._presenter.fail(job, error.user_message))
            delivery = Delivery.UNDELIVERABLE
        return await self._schedule.finish(job, delivery)

    async def _show(self, job: Job, files: Sequence[OutputFile]) -> Delivery:
        """Show the result; that of a DONE job again, because an outdated edit may have overwritten it."""
        files = files or await self._results.get(job.id)
        if not files and job.state is JobState.DONE:
            return Delivery.SENT
        files = files or await self._refetched(job)
        return await self._in_time(job, self._presenter.deliver(job, files, job.note))

    async def _explain(self, job: Job, reason: Message) -> None:
        await self._schedule.finish(job, await self._in_time(job, self._presenter.fail(job, reason)))

    async def _in_time(self, job: Job, delivery: Coroutine[Any, Any, Delivery]) -> Delivery:
        try:
            async with self._schedule.reserved(job), asyncio.timeout(ATTEMPT_TIMEOUT):
                return await delivery
        except TimeoutError:
            return Delivery.PENDING

    async def _refetched(self, job: Job) -> Sequence[OutputFile]:
        """Fetch a result again that is missing in the result store, as far as the server still has it."""
        files: list[OutputFile] = []
        if backend := self._find(job.server):
            for ref in job.outputs:
                try:
                    files.append(await backend.fetch(ref))
                except ServerOfflineError:
                    raise
                except BotError as error:
                    log.warning("job %s: %s cannot be fetched again: %s", job.id, ref.filename, error)
        if not files:
            raise FailedError(_("The images were made, but their files are gone. Please run the command again."))
        return files
