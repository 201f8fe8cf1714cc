"""One attempt to run a job on a server: submits the prompt, or resumes one that another process submitted.

Reports how the attempt ended; the executor decides what follows for the job.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto

from bot.aio import cancelled
from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import _
from bot.jobs.execution.locate import located
from bot.jobs.execution.output_fetcher import Harvest
from bot.jobs.execution.progress import ProgressTracker
from bot.jobs.execution.submission import Hold, Posting
from bot.jobs.execution.watchdog import StallGuard
from bot.jobs.job import IllegalMoveError, Job
from bot.jobs.ports import Backend
from bot.jobs.repository import JobStore, StoreDownError
from bot.jobs.status import Away, JobUpdate, Stopping
from bot.workflow.run.events import (
    OutputsWritten,
    RunEnded,
    RunEvent,
    RunStarted,
    Whereabouts,
)

log = logging.getLogger(__name__)

SHORT_RUN = 1.0
"""Seconds before the start of a run is saved, so that short runs need no write."""
STOP_AGAIN = 5.0
"""Seconds between interrupts of a prompt that does not stop."""


class Stay(Enum):
    """How an attempt ended."""

    ENDED = auto()
    FORGOTTEN = auto()
    """The server had the prompt, or may have had it, and no longer knows it."""
    NEVER_BEGAN = auto()
    """The POST did not reach the server."""
    CALLED_OFF = auto()
    """It was cancelled before the POST."""
    LEFT = auto()
    """Abandoned while the server was offline: another one can run it."""


class Visit:
    """Follows one prompt of one job. Always `close` it."""

    def __init__(
        self,
        job: Job,
        *,
        backend: Backend,
        store: JobStore,
        show: Callable[[Job, JobUpdate], None],
        clock: Clock,
    ) -> None:
        self.harvest = Harvest(job.spec, backend=backend, clock=clock)
        self.stall = StallGuard(job, backend=backend, clock=clock)
        self._hold = Hold(job, store=store)
        self._posting = Posting(self._hold, backend=backend, clock=clock)
        self._backend = backend
        self._show = show
        self._clock = clock
        self._left = asyncio.Event()
        self.is_recalled = False
        """Whether it is being stopped so that another server can run it."""
        self._wish = asyncio.Event()
        if job.cancel_by:
            self._wish.set()
        self._writer: asyncio.Task[None] | None = None
        self._tracker: ProgressTracker | None = None
        """None before there is progress to show, and after the run."""

    @property
    def job(self) -> Job:
        return self._hold.job

    @property
    def was_running(self) -> bool:
        """Whether the server is known to have worked on it."""
        return self.stall.is_running or self.job.started > 0

    @property
    def is_cancelled(self) -> bool:
        """Whether a user requested its cancellation."""
        return self._wish.is_set() and not self.is_recalled

    def cancel(self, by: int) -> None:
        """Stop it for the user `by` as soon as the server allows."""
        if not self.is_cancelled:
            self._hold.assume(cancel_by=by)
            self.is_recalled = False
            self._wish.set()
            self.show()

    def recall(self) -> None:
        """Withdraw the prompt from the server unless it is running already."""
        if not self._wish.is_set() and not self.was_running:
            self.is_recalled = True
            self._wish.set()

    def leave(self) -> None:
        """Abandon the attempt because the server is offline."""
        self._left.set()

    async def close(self) -> None:
        """Release resources."""
        await self.harvest.close()

    def show(self) -> None:
        """Refresh the job's message."""
        if self._tracker is None:
            return
        if self.is_cancelled:
            self._show(self.job, Stopping())
            return
        elapsed = max(0.0, self._clock.now() - self.job.started) if self.job.started else 0.0
        self._show(self.job, self._tracker.report(elapsed) if self._backend.online else Away())

    async def follow(self) -> Stay:
        """Submit the job or resume following it, until it ends or `leave` is called.

        Raises `FailedError` when the server rejects the graph, and `ServerOfflineError` before the server can have it.
        """
        work = asyncio.create_task(self._resume() if self.job.posted else self._begin(), name=f"job {self.job.id}")
        leaving = asyncio.create_task(self._left.wait(), name=f"leaving job {self.job.id}")
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else Stay.LEFT
        finally:
            await cancelled(work, leaving)

    # ------------------------------------------------------------------ submitting

    async def _begin(self) -> Stay:
        """Submit the job under its current prompt id and follow it."""
        graph = await self._posting.prepare()
        if self._wish.is_set():
            return Stay.CALLED_OFF
        async with self._backend.watch(self.job.prompt_id, idle_limit=self.job.spec.idle_limit) as events:
            if not await self._posting.submit(graph):
                return Stay.NEVER_BEGAN
            self._begin_to_show()
            return await self._listen(events)

    async def _resume(self) -> Stay:
        """Follow a prompt that an earlier process submitted, or tried to."""
        self._begin_to_show()
        async with self._backend.watch(self.job.prompt_id, idle_limit=self.job.spec.idle_limit) as events:
            where = await located(self._backend, self._clock, self.job.prompt_id)
            log.info("job %s: the server reports its prompt as %s", self.job.id, where)
            if where is Whereabouts.UNKNOWN or where is Whereabouts.FINISHED:
                self._tracker = None
                return Stay.FORGOTTEN if where is Whereabouts.UNKNOWN else Stay.ENDED
            self.show()
            return await self._listen(events)

    def _begin_to_show(self) -> None:
        self._tracker = ProgressTracker(self.job.spec.graph, resubmitted=self.job.losses > 0)
        self.show()

    # ------------------------------------------------------------------ the run

    async def _listen(self, events: AsyncIterator[RunEvent]) -> Stay:
        """Process events until the end, or until the run hangs and cannot be stopped."""
        reader = asyncio.create_task(self._read(events), name=f"events of job {self.job.id}")
        guard = asyncio.create_task(self.stall.run(), name=f"stall of job {self.job.id}")
        stopper = asyncio.create_task(self._stop_when_wished(), name=f"end of job {self.job.id}")
        try:
            await asyncio.wait({reader, guard}, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                guard.result()
                raise FailedError(_("The GPU server is stuck on this run and won't stop. Please tell the bot's owner."))
            return reader.result()
        finally:
            self._tracker = None
            # A cancelled task references its frames and thus this object: a reference cycle that would keep both alive
            writer, self._writer = self._writer, None
            await cancelled(reader, guard, stopper, *((writer,) if writer else ()))

    async def _stop_when_wished(self) -> None:
        """Interrupt the prompt once cancelled; repeated, because it may just be changing from pending to running."""
        await self._wish.wait()
        while True:
            try:
                await self._backend.interrupt(self.job.prompt_id)
            except BotError as error:
                log.warning("job %s cannot be stopped yet: %s", self.job.id, error)
            await self._clock.sleep(STOP_AGAIN)

    async def _read(self, events: AsyncIterator[RunEvent]) -> Stay:
        last: RunEvent | None = None
        async for event in events:
            last = event
            self._see(event)
        return Stay.ENDED if isinstance(last, RunEnded) else Stay.FORGOTTEN

    def _see(self, event: RunEvent) -> None:
        self.stall.hear(event)
        if isinstance(event, RunStarted):
            self._see_start()
        elif isinstance(event, OutputsWritten):
            self.harvest.expect(event.refs)
        if self._tracker and self._tracker.see(event):
            self.show()

    def _see_start(self) -> None:
        if not self.job.started:
            self._hold.assume(started=self._clock.now())
            self._writer = asyncio.create_task(self._write_start(), name=f"start of job {self.job.id}")

    async def _write_start(self) -> None:
        """Save that the run has started: if the server crashes now, the job may be the reason."""
        await self._clock.sleep(SHORT_RUN)
        try:
            await self._hold.note(started=self.job.started)
        except IllegalMoveError:
            log.info("job %s was taken over elsewhere", self.job.id)
        except StoreDownError:
            log.warning("job %s: its start was not saved: the database does not answer", self.job.id)
