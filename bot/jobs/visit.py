"""One job's stay on one server: hand it in and follow it, or follow it from where another process left off.

It ends in facts; what follows from them for the job is the carrier's to decide.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto

from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import _
from bot.jobs.harvest import Harvest
from bot.jobs.hold import Hold
from bot.jobs.job import IllegalMoveError, Job
from bot.jobs.naps import cancelled
from bot.jobs.patience import located
from bot.jobs.ports import Backend
from bot.jobs.posting import Posting
from bot.jobs.progress import ProgressTracker
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.stall import StallGuard
from bot.jobs.updates import Away, JobUpdate, Stopping
from bot.workflow.execution import OutputsWritten, RunEnded, RunEvent, RunStarted, Whereabouts

log = logging.getLogger(__name__)

SHORT_RUN = 1.0
"""Seconds that a run may take without its start being written down."""
STOP_AGAIN = 5.0
"""Seconds between two requests to stop a prompt."""


class Stay(Enum):
    """How following a prompt ended."""

    ENDED = auto()
    FORGOTTEN = auto()
    """The server had the prompt, or may have had it, and knows it no more."""
    NEVER_BEGAN = auto()
    """The POST did not get through."""
    CALLED_OFF = auto()
    """It was cancelled before the POST."""
    LEFT = auto()
    """We went away while the server cannot be reached: another one can run it."""


class Visit:
    """Follows one prompt of one job. `close` it whatever happened."""

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
        """Whether it is to be stopped because another server shall run it."""
        self._wish = asyncio.Event()
        if job.cancel_by:
            self._wish.set()
        self._writer: asyncio.Task[None] | None = None
        self._tracker: ProgressTracker | None = None
        """What is shown; None before there is anything to show, and when it is over."""

    @property
    def job(self) -> Job:
        """The newest version."""
        return self._hold.job

    @property
    def was_running(self) -> bool:
        """Whether the server is known to have worked on it."""
        return self.stall.is_running or self.job.started > 0

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wished its end."""
        return self._wish.is_set() and not self.is_recalled

    def cancel(self, by: int) -> None:
        """Stop it for the user `by`, as soon as the server lets us."""
        if not self.is_cancelled:
            self._hold.assume(cancel_by=by)
            self.is_recalled = False
            self._wish.set()
            self.show()

    def recall(self) -> None:
        """Take it off the server again, unless that works on it already."""
        if not self._wish.is_set() and not self.was_running:
            self.is_recalled = True
            self._wish.set()

    def leave(self) -> None:
        """Go away from a server that cannot be reached."""
        self._left.set()

    async def close(self) -> None:
        """Let go of what is under way."""
        await self.harvest.close()

    def show(self) -> None:
        """Tell the member how the job stands."""
        if self._tracker is None:
            return
        if self.is_cancelled:
            self._show(self.job, Stopping())
            return
        elapsed = max(0.0, self._clock.now() - self.job.started) if self.job.started else 0.0
        self._show(self.job, self._tracker.report(elapsed) if self._backend.online else Away())

    async def follow(self) -> Stay:
        """Hand the job in, or follow it from where another process left off, until its end or until `leave`.

        Raises `FailedError` when the server refuses the graph, and `ServerOfflineError` before it can have it.
        """
        work = asyncio.create_task(self._resume() if self.job.posted else self._begin(), name=f"job {self.job.id}")
        leaving = asyncio.create_task(self._left.wait(), name=f"leaving job {self.job.id}")
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else Stay.LEFT
        finally:
            await cancelled(work, leaving)

    # ------------------------------------------------------------------ the beginning

    async def _begin(self) -> Stay:
        """Hand the job in under the prompt id that it has, and follow it."""
        graph = await self._posting.prepare()
        if self._wish.is_set():
            return Stay.CALLED_OFF
        async with self._backend.watch(self.job.prompt_id, idle_limit=self.job.spec.idle_limit) as events:
            if not await self._posting.submit(graph):
                return Stay.NEVER_BEGAN
            self._begin_to_show()
            return await self._listen(events)

    async def _resume(self) -> Stay:
        """Follow a prompt that was posted, or nearly so, before anybody here heard of it."""
        self._begin_to_show()
        async with self._backend.watch(self.job.prompt_id, idle_limit=self.job.spec.idle_limit) as events:
            where = await located(self._backend, self._clock, self.job.prompt_id)
            log.info("job %s: the server has its prompt as %s", self.job.id, where)
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
        """Take in what is told until the end, unless the run hangs and cannot be stopped."""
        reader = asyncio.create_task(self._read(events), name=f"events of job {self.job.id}")
        guard = asyncio.create_task(self.stall.run(), name=f"stall of job {self.job.id}")
        stopper = asyncio.create_task(self._stop_when_wished(), name=f"end of job {self.job.id}")
        try:
            await asyncio.wait({reader, guard}, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                guard.result()
                raise FailedError(_("ComfyUI hangs in this run, and does not stop it. Please tell the bot's owner."))
            return reader.result()
        finally:
            self._tracker = None
            # A cancelled task knows where it stood, and so this visit: a ring that would outlive both
            writer, self._writer = self._writer, None
            await cancelled(reader, guard, stopper, *((writer,) if writer else ()))

    async def _stop_when_wished(self) -> None:
        """Ask the server to stop the prompt, again if need be: it may be on its way from waiting to running."""
        await self._wish.wait()
        while True:
            try:
                await self._backend.interrupt(self.job.prompt_id)
            except BotError as error:
                log.warning("job %s could not be stopped yet: %s", self.job.id, error)
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
        """Write down that the server works on it: if it breaks down while it does, the job may be the reason."""
        await self._clock.sleep(SHORT_RUN)
        try:
            await self._hold.note(started=self.job.started)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", self.job.id)
        except StoreDownError:
            log.warning("job %s: its start is not written down: the database does not answer", self.job.id)
