"""One attempt to run a job on a server: submits the prompt, or resumes one that another process submitted.

Reports how the attempt ended; the executor decides what follows for the job.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import _
from bot.jobs.execution.locate import locate_with_retry
from bot.jobs.execution.output_fetcher import OutputFetcher
from bot.jobs.execution.progress import ProgressTracker
from bot.jobs.execution.submission import JobHandle, PromptSubmission
from bot.jobs.execution.watchdog import IdleWatchdog
from bot.jobs.job import Job, StaleJobError
from bot.jobs.ports import Backend
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.status import CancellingStatus, JobUpdate, ServerOffline
from bot.workflow.run.events import (
    OutputsWritten,
    PromptLocation,
    RunEnded,
    RunEvent,
    RunStarted,
)

log = logging.getLogger(__name__)

SHORT_RUN = 1.0
"""Seconds before the start of a run is saved, so that short runs need no write."""
INTERRUPT_INTERVAL = 5.0
"""Seconds between interrupts of a prompt that does not stop."""


class AttemptEnd(Enum):
    """How an attempt ended."""

    ENDED = auto()
    FORGOTTEN = auto()
    """The server had the prompt, or may have had it, and no longer knows it."""
    NEVER_BEGAN = auto()
    """The POST did not reach the server."""
    CANCELLED_BEFORE_POST = auto()
    """It was cancelled before the POST."""
    ABANDONED = auto()
    """Abandoned while the server was offline: another one can run it."""


class RunAttempt:
    """Follows one prompt of one job. Always `close` it."""

    def __init__(
        self,
        job: Job,
        *,
        backend: Backend,
        store: JobRepository,
        show: Callable[[Job, JobUpdate], None],
        clock: Clock,
    ) -> None:
        self.outputs = OutputFetcher(job.spec, backend=backend, clock=clock)
        self.watchdog = IdleWatchdog(job, backend=backend, clock=clock)
        self._handle = JobHandle(job, store=store)
        self._submission = PromptSubmission(self._handle, backend=backend, clock=clock)
        self._backend = backend
        self._show = show
        self._clock = clock
        self._abandoned = asyncio.Event()
        self.is_withdrawn = False
        """Whether it is being stopped so that another server can run it."""
        self._stop_requested = asyncio.Event()
        if job.cancel_by:
            self._stop_requested.set()
        self._writer: asyncio.Task[None] | None = None
        self._tracker: ProgressTracker | None = None
        """None before there is progress to show, and after the run."""

    @property
    def job(self) -> Job:
        return self._handle.job

    @property
    def was_running(self) -> bool:
        """Whether the server is known to have worked on it."""
        return self.watchdog.is_running or self.job.started > 0

    @property
    def is_cancelled(self) -> bool:
        """Whether a user requested its cancellation."""
        return self._stop_requested.is_set() and not self.is_withdrawn

    def cancel(self, by: int) -> None:
        """Stop it for the user `by` as soon as the server allows."""
        if not self.is_cancelled:
            self._handle.set_local(cancel_by=by)
            self.is_withdrawn = False
            self._stop_requested.set()
            self.show()

    def withdraw(self) -> None:
        """Withdraw the prompt from the server unless it is running already."""
        if not self._stop_requested.is_set() and not self.was_running:
            self.is_withdrawn = True
            self._stop_requested.set()

    def abandon(self) -> None:
        """Abandon the attempt because the server is offline."""
        self._abandoned.set()

    async def close(self) -> None:
        """Release resources."""
        await self.outputs.close()

    def show(self) -> None:
        """Refresh the job's message."""
        if self._tracker is None:
            return
        if self.is_cancelled:
            self._show(self.job, CancellingStatus())
            return
        elapsed = max(0.0, self._clock.now() - self.job.started) if self.job.started else 0.0
        self._show(self.job, self._tracker.report(elapsed) if self._backend.online else ServerOffline())

    async def follow(self) -> AttemptEnd:
        """Submit the job or resume following it, until it ends or `abandon` is called.

        Raises `FailedError` when the server rejects the graph, and `ServerOfflineError` before the server can have it.
        """
        work = asyncio.create_task(self._reattach() if self.job.posted else self._submit(), name=f"job {self.job.id}")
        abandoned = asyncio.create_task(self._abandoned.wait(), name=f"abandoning job {self.job.id}")
        try:
            await asyncio.wait({work, abandoned}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else AttemptEnd.ABANDONED
        finally:
            await cancel_and_wait(work, abandoned)

    # ------------------------------------------------------------------ submitting

    async def _submit(self) -> AttemptEnd:
        """Submit the job under its current prompt id and follow it."""
        graph = await self._submission.prepare()
        if self._stop_requested.is_set():
            return AttemptEnd.CANCELLED_BEFORE_POST
        async with self._backend.subscribe(self.job.prompt_id, idle_limit=self.job.spec.idle_limit) as events:
            if not await self._submission.submit(graph):
                return AttemptEnd.NEVER_BEGAN
            self._begin_to_show()
            return await self._listen(events)

    async def _reattach(self) -> AttemptEnd:
        """Follow a prompt that an earlier process submitted, or tried to."""
        self._begin_to_show()
        async with self._backend.subscribe(self.job.prompt_id, idle_limit=self.job.spec.idle_limit) as events:
            where = await locate_with_retry(self._backend, self._clock, self.job.prompt_id)
            log.info("job %s: the server reports its prompt as %s", self.job.id, where)
            if where is PromptLocation.UNKNOWN or where is PromptLocation.FINISHED:
                self._tracker = None
                return AttemptEnd.FORGOTTEN if where is PromptLocation.UNKNOWN else AttemptEnd.ENDED
            self.show()
            return await self._listen(events)

    def _begin_to_show(self) -> None:
        self._tracker = ProgressTracker(self.job.spec.graph, resubmitted=self.job.losses > 0)
        self.show()

    # ------------------------------------------------------------------ the run

    async def _listen(self, events: AsyncIterator[RunEvent]) -> AttemptEnd:
        """Process events until the end, or until the run hangs and cannot be stopped."""
        reader = asyncio.create_task(self._read(events), name=f"events of job {self.job.id}")
        watchdog = asyncio.create_task(self.watchdog.run(), name=f"watchdog of job {self.job.id}")
        stopper = asyncio.create_task(self._stop_when_requested(), name=f"end of job {self.job.id}")
        try:
            await asyncio.wait({reader, watchdog}, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                watchdog.result()
                raise FailedError(_("The GPU server is stuck on this run and won't stop. Please tell the bot's owner."))
            return reader.result()
        finally:
            self._tracker = None
            # A cancelled task references its frames and thus this object: a reference cycle that would keep both alive
            writer, self._writer = self._writer, None
            await cancel_and_wait(reader, watchdog, stopper, *((writer,) if writer else ()))

    async def _stop_when_requested(self) -> None:
        """Interrupt the prompt once cancelled; repeated, because it may just be changing from pending to running."""
        await self._stop_requested.wait()
        while True:
            try:
                await self._backend.interrupt(self.job.prompt_id)
            except BotError as error:
                log.warning("job %s cannot be stopped yet: %s", self.job.id, error)
            await self._clock.sleep(INTERRUPT_INTERVAL)

    async def _read(self, events: AsyncIterator[RunEvent]) -> AttemptEnd:
        last: RunEvent | None = None
        async for event in events:
            last = event
            self._on_event(event)
        return AttemptEnd.ENDED if isinstance(last, RunEnded) else AttemptEnd.FORGOTTEN

    def _on_event(self, event: RunEvent) -> None:
        self.watchdog.on_event(event)
        if isinstance(event, RunStarted):
            self._on_start()
        elif isinstance(event, OutputsWritten):
            self.outputs.expect(event.refs)
        if self._tracker and self._tracker.on_event(event):
            self.show()

    def _on_start(self) -> None:
        if not self.job.started:
            self._handle.set_local(started=self._clock.now())
            self._writer = asyncio.create_task(self._write_start(), name=f"start of job {self.job.id}")

    async def _write_start(self) -> None:
        """Save that the run has started: if the server crashes now, the job may be the reason."""
        await self._clock.sleep(SHORT_RUN)
        try:
            await self._handle.update(started=self.job.started)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", self.job.id)
        except DatabaseUnavailableError:
            log.warning("job %s: its start was not saved: the database does not answer", self.job.id)
