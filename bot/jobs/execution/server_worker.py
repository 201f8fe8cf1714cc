"""The worker of one server: while it holds the lease, it takes over unfinished jobs and claims new ones.

Up to `depth` prompts are on the server, so that the GPU always finds the next one; all other jobs stay in the bot's own
queue. A slot is freed as soon as the server has finished a prompt, before its files are fetched and delivered.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from bot.aio import cancel_and_wait, poll_forever
from bot.clock import Clock
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.execution.executor import JobExecutor
from bot.jobs.execution.slots import Slots
from bot.jobs.job import Job, JobState, StaleJobError
from bot.jobs.ports import Backend
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.dispatcher import Dispatcher

log = logging.getLogger(__name__)

STATUS_INTERVAL = 5.0
"""Seconds between message updates while the server reports nothing, for example while it loads a model."""
DATABASE_RETRY_PAUSE = 2.0
"""Seconds between retries while the database does not answer."""
ORPHAN_SCAN_INTERVAL = 10.0
"""Seconds between checks for jobs on this server that nothing executes."""
ORPHAN_SCAN_LIMIT = 500
"""Maximum running jobs that such a check reads."""
OFFLINE_GRACE = 20.0
"""Seconds offline after which a server's jobs are requeued, if another server can run them."""
READY_POLL_INTERVAL = 1.0
"""Seconds between checks whether the server may have a job again."""

Connect = Callable[[], AbstractAsyncContextManager[None]]
"""Connects to the server while the context is entered."""


class ServerWorker:
    """Runs the jobs of one server.

    `connect` is entered while the lease is held. `may_rest`: whether other servers can work while this one's circuit
    breaker is open; `is_worthwhile`: whether a job claimed now starts here no later than elsewhere.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        store: JobRepository,
        queue: Dispatcher,
        leases: LeaseManager,
        executor: JobExecutor,
        delivery_service: DeliveryService,
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
        self._leases = leases
        self._executor = executor
        self._delivery_service = delivery_service
        self._clock = clock
        self._slots = Slots(depth)
        self._running: dict[asyncio.Task[None], Job] = {}
        self._orphans: dict[str, int] = {}

    async def run(self) -> None:
        """Work until cancelled, which also stops following the jobs (their prompts continue on the server)."""
        while True:
            await self._leases.wait_held(self._backend.key)
            async with self._connect():
                await self._run_while_leased()

    async def retire(self) -> None:
        """Claim no more jobs and return once running ones have finished; pending ones are requeued."""
        self._retires.set()
        self._executor.withdraw_waiting()
        while self._running:
            await asyncio.wait(tuple(self._running), return_when=asyncio.FIRST_COMPLETED)

    async def run_status_updates(self) -> None:
        """Refresh the messages periodically, also while the server reports nothing, until cancelled."""
        while True:
            await self._clock.sleep(STATUS_INTERVAL)
            self._executor.update_status()

    async def _run_while_leased(self) -> None:
        """Work until the lease is lost."""
        log.info("%s: lease acquired", self._backend.name)
        work = asyncio.create_task(self._work(), name=f"work of {self._backend.name}")
        loss = asyncio.create_task(self._leases.wait_lost(self._backend.key), name=f"lease of {self._backend.name}")
        try:
            await asyncio.wait({work, loss}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await cancel_and_wait(work, loss)
            await cancel_and_wait(*self._running)
        log.warning("%s: lease lost; its jobs are left to the next holder", self._backend.name)
        await self._delivery_service.release_server(self._backend.key)

    async def _work(self) -> None:
        await self._take_over_all()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claim_all())
            tasks.create_task(self._scan_for_orphans())
            tasks.create_task(self._requeue_when_offline())

    # ------------------------------------------------------------------ taking jobs

    async def _take_over_all(self) -> None:
        """Take over the server's unfinished jobs."""
        while True:
            try:
                for job in await self._store.take_over_server(self._backend.key, self._leases.owner):
                    log.info("job %s taken over while %s", job.id, job.state)
                    await self._take_over(job)
                return
            except DatabaseUnavailableError:
                log.warning("%s: the database does not answer; retrying", self._backend.name)
                await self._clock.sleep(DATABASE_RETRY_PAUSE)

    async def _take_over(self, job: Job) -> None:
        if job.state is JobState.RUNNING:
            self._execute(job)
            return
        try:
            await self._delivery_service.deliver_soon(job)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", job.id)

    async def _claim_all(self) -> None:
        while True:
            await self._slots.wait_free()
            self._execute(await self._next())

    async def _next(self) -> Job:
        while True:
            await self._until_ready()
            try:
                job = await self._queue.claim_next(self._backend.key, self._is_ready, self._loaded)
            except DatabaseUnavailableError:
                log.warning("%s: the database does not answer; retrying", self._backend.name)
                await self._clock.sleep(DATABASE_RETRY_PAUSE)
            except Exception:
                log.exception("%s: claiming a job failed; retrying", self._backend.name)
                await self._clock.sleep(DATABASE_RETRY_PAUSE)
            else:
                if job is not None:
                    return job

    def _is_ready(self) -> bool:
        """Whether the server may have one more job now."""
        return (
            self._backend.online
            and self._leases.holds(self._backend.key)
            and not self._retires.is_set()
            and (self._executor.breaker.allows or not self._may_rest())
            and self._has_room_among_others()
        )

    def _has_room_among_others(self) -> bool:
        """Beside prompts of other clients, allow one job at a time, and only if it starts here soonest."""
        return self._backend.foreign_prompts == 0 or (self._slots.taken == 0 and self._is_worthwhile())

    async def _until_ready(self) -> None:
        while not self._is_ready():
            await self._backend.wait_online()
            await self._leases.wait_held(self._backend.key)  # once it is lost, `_run_while_leased` ends this soon
            if not self._is_ready():
                await self._clock.sleep(READY_POLL_INTERVAL)

    async def _requeue_when_offline(self) -> None:
        """Requeue the jobs of a server that stays offline; interrupt their prompts when it is back."""
        offline_for = 0.0
        while True:
            await self._clock.sleep(READY_POLL_INTERVAL)
            offline_for = 0.0 if self._backend.online else offline_for + READY_POLL_INTERVAL
            try:
                if (
                    offline_for > OFFLINE_GRACE and self._running
                ):  # the first check may come right after it went offline
                    await self._executor.abandon_all()
            except DatabaseUnavailableError:
                log.debug("%s is offline, and the database does not answer", self._backend.name)
            await self._executor.interrupt_abandoned()

    async def _scan_for_orphans(self) -> None:
        await poll_forever(
            self.take_orphans,
            ORPHAN_SCAN_INTERVAL,
            self._clock,
            delay=ORPHAN_SCAN_INTERVAL,
            ignore=(DatabaseUnavailableError,),
        )

    async def take_orphans(self) -> None:
        """Resume jobs on this server that nothing executes, because a database call failed while claiming or executing.

        Only if they were orphaned at the last check too: a claim may be about to return.
        """
        executing = {job.id for job in self._running.values()}
        running = await self._store.browse({JobState.RUNNING}, limit=ORPHAN_SCAN_LIMIT)
        orphans = [job for job in running if job.server == self._backend.key and job.id not in executing]
        for orphan in orphans:
            if self._orphans.get(orphan.id) != orphan.epoch:
                continue
            job = await self._store.take_over(orphan.id)
            if job and job.state is JobState.RUNNING:
                log.warning("job %s was orphaned and is resumed", job.id)
                self._execute(job)
        self._orphans = {job.id: job.epoch for job in orphans}

    # ------------------------------------------------------------------ executing

    def _execute(self, job: Job) -> None:
        self._loaded = job.spec.needs.model or self._loaded
        task = asyncio.create_task(self._executor.execute(job, self._slots.take()), name=f"job {job.id}")
        self._running[task] = job
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        job = self._running.pop(task)
        self._queue.wake()
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, DatabaseUnavailableError):
            log.warning("%s: the database does not answer; it will be resumed", task.get_name())
            self._orphans[job.id] = job.epoch
        else:
            log.critical("%s could not be finished", task.get_name(), exc_info=error)
