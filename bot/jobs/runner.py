"""Runs jobs on one server: claims them, sends them on their visit, and draws the consequences.

A runner keeps up to `depth` prompts on its server, so that the GPU finds the next one waiting; everything else waits in
our own queue. A slot is free again the moment the server is done with a prompt; fetching and delivering come after.
It knows no Discord and no HTTP: a `Backend` runs graphs, a `Presenter` tells people.
"""

import asyncio
import logging
from dataclasses import replace

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.outcome import Outcome
from bot.jobs.ports import Backend, Presenter
from bot.jobs.queue import JobQueue
from bot.jobs.store import JobStore
from bot.jobs.visit import Stay, Visit
from bot.workflow.definitions import Definitions
from bot.workflow.execution import ServerFaultError, ServerOfflineError
from bot.workflow.prepare import settle
from bot.workflow.spec import RunSpec

log = logging.getLogger(__name__)

MAX_LOSSES = 1
"""How often a job is handed in again after a server forgot it."""
MAX_ATTEMPTS = 5
"""How often a job is claimed at all, counting tries that never reached the server."""
INFORM_EVERY = 5.0
"""Seconds between two looks at the clock for jobs of which the server says nothing, while it loads a model."""
GIVE_BACK_PAUSES = (1.0, 3.0, 10.0, 30.0)
"""Seconds that a slot stays empty after a job could not be handed in, by how often that happened to the job."""
STORE_PAUSE = 5.0
STOP_GRACE = 4.0
"""Seconds for results on their way to Discord when the bot stops."""
DELIVERIES_AT_ONCE = 8
"""Results on their way to Discord at the same time; further finished jobs leave theirs on the server, but for files
that were fetched early, which are as many as the slots allow."""


class Runner:
    """Owns everything that one server does for us."""

    def __init__(
        self, *, backend: Backend, store: JobStore, queue: JobQueue, presenter: Presenter, clock: Clock, depth: int = 2
    ) -> None:
        self._backend = backend
        self._store = store
        self._queue = queue
        self._presenter = presenter
        self._clock = clock
        self._slots = asyncio.Semaphore(depth)
        self._deliveries = asyncio.Semaphore(DELIVERIES_AT_ONCE)
        self._jobs: set[asyncio.Task[None]] = set()
        self._delivering: set[asyncio.Task[None]] = set()
        self._visits: set[Visit] = set()

    async def run(self) -> None:
        """Work for ever; cancelling this also stops following the jobs (their prompts go on at the server)."""
        try:
            while True:
                await self._slots.acquire()
                job = await self._next()
                task = asyncio.create_task(self._carry(job), name=f"job {job.id}")
                self._jobs.add(task)
                task.add_done_callback(self._forget)
        finally:
            await self._stop()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("%s could not be brought to an end", task.get_name(), exc_info=error)

    def inform(self) -> None:
        """Tell those whose jobs are on the server how they stand: it may have gone, or come back."""
        for visit in self._visits:
            visit.show()

    async def keep_informed(self) -> None:
        """Tell them now and then, for ever, also while the server says nothing; the owner cancels this."""
        while True:
            await self._clock.sleep(INFORM_EVERY)
            self.inform()

    async def _next(self) -> Job:
        while True:
            await self._backend.wait_online()
            try:
                job = await self._queue.next_for(self._backend.name, lambda: self._backend.online)
            except Exception:
                log.exception("%s: the store gives no job; trying again", self._backend.name)
                await self._clock.sleep(STORE_PAUSE)
                continue
            if job is not None:
                return job

    async def _stop(self) -> None:
        """Leave the jobs where they are, but let results that are on their way to Discord arrive."""
        for task in self._jobs - self._delivering:
            task.cancel()
        if self._delivering:
            await asyncio.wait(self._delivering, timeout=STOP_GRACE)
        for task in tuple(self._jobs):
            task.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _carry(self, job: Job) -> None:
        """Bring one job to its end, or back to the queue, whatever happens."""
        slot = _Slot(self._slots)
        try:
            job = replace(job, spec=settle(job.spec, await self._definitions(job.spec)))
            visit = Visit(job, backend=self._backend, presenter=self._presenter, clock=self._clock)
            self._visits.add(visit)
            try:
                await self._visit(visit, slot)
            finally:
                self._visits.discard(visit)
                await visit.close()
        except ServerOfflineError:
            await self._clock.sleep(GIVE_BACK_PAUSES[min(job.attempts, len(GIVE_BACK_PAUSES)) - 1])
            await self._give_back(job, losses=job.losses)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)
        except BotError as error:
            await self._fail(job, error.user_message)
        except Exception:
            log.exception("job %s broke off", job.id)
            await self._fail(job, _("The bot made a mistake. Please try again (reference {id}).", id=job.id[:8]))
        finally:
            slot.free()
            self._queue.wake()

    async def _visit(self, visit: Visit, slot: "_Slot") -> None:
        job = visit.job
        stay = await visit.follow()
        slot.free()
        if stay is Stay.NEVER_BEGAN:
            await self._give_back(job, losses=job.losses)
            return
        async with self._deliveries:
            outcome = await visit.collect() if stay is Stay.ENDED else None
            if outcome is None:
                await self._give_back(job, losses=job.losses + 1)
            elif outcome.files:
                self._visits.discard(visit)
                await self._deliver(replace(job, started=visit.started), outcome)
            elif outcome.note:
                await self._fail(job, outcome.note)

    async def _definitions(self, spec: RunSpec) -> Definitions:
        """Return what the server can do, asking it when a job depends on that and it has not told us yet."""
        if self._backend.definitions.nodes or not spec.left_open:
            return self._backend.definitions
        try:
            return await self._backend.refresh_definitions()
        except ServerFaultError:
            return Definitions()

    # ------------------------------------------------------------------ consequences

    async def _give_back(self, job: Job, *, losses: int) -> None:
        """Let the job wait for another turn, unless it had enough of them."""
        if losses > MAX_LOSSES:
            await self._fail(
                job,
                _("ComfyUI lost this twice: it was restarted, or somebody cleared its queue. Please try again later."),
            )
        elif job.attempts >= MAX_ATTEMPTS:
            await self._fail(job, _("ComfyUI could not be reached for this job. Please try again later."))
        else:
            log.warning("job %s goes back to the queue (lost %d times)", job.id, losses)
            await self._store.move(job, JobState.QUEUED, losses=losses)
            self._queue.wake()

    async def _deliver(self, job: Job, outcome: Outcome) -> None:
        if task := asyncio.current_task():
            self._delivering.add(task)
            task.add_done_callback(self._delivering.discard)
        finished = self._clock.now()
        job = await self._store.move(job, JobState.DELIVERING, spec=job.spec, started=job.started, finished=finished)
        if await self._presenter.deliver(job, outcome.files, outcome.note):
            await self._store.move(job, JobState.DONE)
        else:
            await self._store.move(job, JobState.FAILED, error=_("The pictures could not be posted."))

    async def _fail(self, job: Job, reason: Message) -> None:
        current = await self._store.get(job.id)
        if current is None or current.state.is_final:
            return
        failed = await self._store.move(current, JobState.FAILED, error=reason, finished=self._clock.now())
        log.info("job %s failed: %s", job.id, reason)
        await self._presenter.fail(failed, reason)


class _Slot:
    """One of the places on the server, given back exactly once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots

    def free(self) -> None:
        if self._slots is not None:
            self._slots.release()
            self._slots = None
