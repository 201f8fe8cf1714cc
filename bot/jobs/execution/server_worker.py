"""The worker of one server: while it holds the lease, it takes over unfinished jobs and claims new ones.

Up to `depth` prompts are on the server, so that the GPU always finds the next one; all other jobs stay in the bot's own
queue. A slot is freed as soon as the server has finished a prompt, before its files are fetched and delivered.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from bot.aio import cancelled
from bot.clock import Clock
from bot.jobs.cluster.leases import Tenancy
from bot.jobs.delivery.service import Deliverer
from bot.jobs.execution.executor import Carrier
from bot.jobs.execution.slots import Slots
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.ports import Backend
from bot.jobs.repository import JobStore, StoreDownError
from bot.jobs.scheduling.dispatcher import JobQueue

log = logging.getLogger(__name__)

INFORM_EVERY = 5.0
"""Seconds between message updates while the server reports nothing, for example while it loads a model."""
STORE_PAUSE = 2.0
"""Seconds between retries while the database does not answer."""
SWEEP_EVERY = 10.0
"""Seconds between checks for jobs on this server that nothing executes."""
SWEPT = 500
"""Maximum running jobs that such a check reads."""
ABSENCE = 20.0
"""Seconds offline after which a server's jobs are requeued, if another server can run them."""
LOOK_EVERY = 1.0
"""Seconds between checks whether the server may have a job again."""

Connect = Callable[[], AbstractAsyncContextManager[None]]
"""Connects to the server while the context is entered."""


class Runner:
    """Runs the jobs of one server.

    `connect` is entered while the lease is held. `may_rest`: whether other servers can work while this one's circuit
    breaker is open; `is_worthwhile`: whether a job claimed now starts here no later than elsewhere.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        store: JobStore,
        queue: JobQueue,
        tenancy: Tenancy,
        carrier: Carrier,
        deliverer: Deliverer,
        clock: Clock,
        depth: int = 2,
        connect: Connect = nullcontext,
        may_rest: Callable[[], bool] = lambda: False,
        is_worthwhile: Callable[[], bool] = lambda: True,
    ) -> None:
        self._connect = connect
        self._may_rest = may_rest
        self._is_worthwhile = is_worthwhile
        self._loaded = ""
        self._retires = asyncio.Event()
        self._backend = backend
        self._store = store
        self._queue = queue
        self._tenancy = tenancy
        self._carrier = carrier
        self._deliverer = deliverer
        self._clock = clock
        self._slots = Slots(depth)
        self._carried: dict[asyncio.Task[None], Job] = {}
        self._orphans: dict[str, int] = {}

    async def run(self) -> None:
        """Work until cancelled, which also stops following the jobs (their prompts continue on the server)."""
        while True:
            await self._tenancy.wait_held(self._backend.key)
            async with self._connect():
                await self._tenure()

    async def retire(self) -> None:
        """Claim no more jobs and return once running ones have finished; pending ones are requeued."""
        self._retires.set()
        self._carrier.recall()
        while self._carried:
            await asyncio.wait(tuple(self._carried), return_when=asyncio.FIRST_COMPLETED)

    def inform(self) -> None:
        """Refresh the messages of all jobs here: the server went offline or came back."""
        self._carrier.inform()

    async def keep_informed(self) -> None:
        """Refresh the messages periodically, also while the server reports nothing, until cancelled."""
        while True:
            await self._clock.sleep(INFORM_EVERY)
            self.inform()

    async def _tenure(self) -> None:
        """Work until the lease is lost."""
        log.info("%s: lease acquired", self._backend.name)
        work = asyncio.create_task(self._work(), name=f"work of {self._backend.name}")
        loss = asyncio.create_task(self._tenancy.wait_lost(self._backend.key), name=f"lease of {self._backend.name}")
        try:
            await asyncio.wait({work, loss}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await cancelled(work, loss)
            await cancelled(*self._carried)
        log.warning("%s: lease lost; its jobs are left to the next holder", self._backend.name)
        await self._deliverer.let_go(self._backend.key)

    async def _work(self) -> None:
        await self._adopt()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claim_all())
            tasks.create_task(self._keep_sweeping())
            tasks.create_task(self._watch_absence())

    # ------------------------------------------------------------------ taking jobs

    async def _adopt(self) -> None:
        """Take over the server's unfinished jobs."""
        while True:
            try:
                for job in await self._store.adopt(self._backend.key, self._tenancy.owner):
                    log.info("job %s taken over while %s", job.id, job.state)
                    await self._take_over(job)
                return
            except StoreDownError:
                log.warning("%s: the database does not answer; retrying", self._backend.name)
                await self._clock.sleep(STORE_PAUSE)

    async def _take_over(self, job: Job) -> None:
        if job.state is JobState.RUNNING:
            self._carry(job)
            return
        try:
            await self._deliverer.tell(job)
        except IllegalMoveError:
            log.info("job %s was taken over elsewhere", job.id)

    async def _claim_all(self) -> None:
        while True:
            await self._slots.wait_free()
            self._carry(await self._next())

    async def _next(self) -> Job:
        while True:
            await self._until_ready()
            try:
                job = await self._queue.next_for(self._backend.key, self._is_ready, self._loaded)
            except StoreDownError:
                log.warning("%s: the database does not answer; retrying", self._backend.name)
                await self._clock.sleep(STORE_PAUSE)
            except Exception:
                log.exception("%s: claiming a job failed; retrying", self._backend.name)
                await self._clock.sleep(STORE_PAUSE)
            else:
                if job is not None:
                    return job

    def _is_ready(self) -> bool:
        """Whether the server may have one more job now."""
        return (
            self._backend.online
            and self._tenancy.holds(self._backend.key)
            and not self._retires.is_set()
            and (self._carrier.breaker.allows or not self._may_rest())
            and self._has_room_among_others()
        )

    def _has_room_among_others(self) -> bool:
        """Beside prompts of other clients, allow one job at a time, and only if it starts here soonest."""
        return self._backend.foreign == 0 or (self._slots.taken == 0 and self._is_worthwhile())

    async def _until_ready(self) -> None:
        while not self._is_ready():
            await self._backend.wait_online()
            await self._tenancy.wait_held(self._backend.key)  # if the lease is lost, `_tenure` is about to end this
            if not self._is_ready():
                await self._clock.sleep(LOOK_EVERY)

    async def _watch_absence(self) -> None:
        """Requeue the jobs of a server that stays offline; interrupt their prompts when it is back."""
        away = 0.0
        while True:
            await self._clock.sleep(LOOK_EVERY)
            away = 0.0 if self._backend.online else away + LOOK_EVERY
            try:
                if away > ABSENCE and self._carried:  # the first check may come right after it went offline
                    await self._carrier.leave()
            except StoreDownError:
                log.debug("%s is offline, and the database does not answer", self._backend.name)
            await self._carrier.tidy_up()

    async def _keep_sweeping(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            try:
                await self.sweep()
            except StoreDownError:
                log.debug("check for orphaned jobs skipped: the database does not answer")

    async def sweep(self) -> None:
        """Resume jobs on this server that nothing executes, because a database call failed while claiming or executing.

        Only if they were orphaned at the last check too: a claim may be about to return.
        """
        carried = {job.id for job in self._carried.values()}
        running = await self._store.browse({JobState.RUNNING}, limit=SWEPT)
        alone = [job for job in running if job.server == self._backend.key and job.id not in carried]
        for job in alone:
            if self._orphans.get(job.id) == job.epoch and (seized := await self._seized(job)):
                log.warning("job %s was orphaned and is resumed", job.id)
                self._carry(seized)
        self._orphans = {job.id: job.epoch for job in alone}

    async def _seized(self, job: Job) -> Job | None:
        seized = await self._store.seize(job.id)
        return seized if seized and seized.state is JobState.RUNNING else None

    # ------------------------------------------------------------------ executing

    def _carry(self, job: Job) -> None:
        self._loaded = job.spec.needs.model or self._loaded
        task = asyncio.create_task(self._carrier.carry(job, self._slots.take()), name=f"job {job.id}")
        self._carried[task] = job
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        job = self._carried.pop(task)
        self._queue.wake()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, StoreDownError):
            log.warning("%s: the database does not answer; it will be resumed", task.get_name())
            self._orphans[job.id] = job.epoch
        else:
            log.critical("%s could not be finished", task.get_name(), exc_info=error)
