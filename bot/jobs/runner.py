"""Keeps one server busy, for as long as this instance holds its lease: takes over what was left there, claims the rest.

Up to `depth` prompts are on the server, so that the GPU finds the next one waiting; everything else waits in our own
line. A slot is free again the moment the server is done with a prompt; fetching and telling come after.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from bot.clock import Clock
from bot.jobs.carrier import Carrier
from bot.jobs.deliverer import Deliverer
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.naps import cancelled
from bot.jobs.ports import Backend
from bot.jobs.queue import JobQueue
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.slots import Slots
from bot.jobs.tenancy import Tenancy

log = logging.getLogger(__name__)

INFORM_EVERY = 5.0
"""Seconds between two looks at the clock for jobs of which the server says nothing, while it loads a model."""
STORE_PAUSE = 2.0
"""Seconds before a database that did not answer is asked again."""
SWEEP_EVERY = 10.0
"""Seconds between two looks for jobs that this server has, and nobody carries."""
SWEPT = 500
"""Running jobs that such a look sees."""
ABSENCE = 20.0
"""Seconds for which a server may be away before its jobs are given to others, if there are any that can run them."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether a server that must not have a job now may have one again."""

Connect = Callable[[], AbstractAsyncContextManager[None]]
"""Connects to the server for as long as the context lasts."""


class Runner:
    """Owns everything that one server does for us.

    `connect` is entered once the server is leased to us. `may_rest` says whether there are others to do the work while
    this one rests, `is_worthwhile` whether a job that is taken now starts here sooner than elsewhere.
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
        """Work for ever; cancelling this also stops following the jobs (their prompts go on at the server)."""
        while True:
            await self._tenancy.wait_held(self._backend.key)
            async with self._connect():
                await self._tenure()

    async def retire(self) -> None:
        """Take no more jobs, and return once the server has done what it works on; the rest goes back to the line."""
        self._retires.set()
        self._carrier.recall()
        while self._carried:
            await asyncio.wait(tuple(self._carried), return_when=asyncio.FIRST_COMPLETED)

    def inform(self) -> None:
        """Tell those whose jobs are on the server how they stand: it may have gone, or come back."""
        self._carrier.inform()

    async def keep_informed(self) -> None:
        """Tell them now and then, for ever, also while the server says nothing; the owner cancels this."""
        while True:
            await self._clock.sleep(INFORM_EVERY)
            self.inform()

    async def _tenure(self) -> None:
        """Work until the lease is lost."""
        log.info("%s is ours", self._backend.name)
        work = asyncio.create_task(self._work(), name=f"work of {self._backend.name}")
        loss = asyncio.create_task(self._tenancy.wait_lost(self._backend.key), name=f"lease of {self._backend.name}")
        try:
            await asyncio.wait({work, loss}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await cancelled(work, loss)
            await cancelled(*self._carried)
        log.warning("%s is not ours any more; its jobs are left to whoever has it", self._backend.name)
        await self._deliverer.let_go(self._backend.key)

    async def _work(self) -> None:
        await self._adopt()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claim_all())
            tasks.create_task(self._keep_sweeping())
            tasks.create_task(self._watch_absence())

    # ------------------------------------------------------------------ taking jobs

    async def _adopt(self) -> None:
        """Take over what the server has in hand."""
        while True:
            try:
                for job in await self._store.adopt(self._backend.key, self._tenancy.owner):
                    log.info("job %s is taken over, %s", job.id, job.state)
                    await self._take_over(job)
                return
            except StoreDownError:
                log.warning("%s: the database does not answer; trying again", self._backend.name)
                await self._clock.sleep(STORE_PAUSE)

    async def _take_over(self, job: Job) -> None:
        if job.state is JobState.RUNNING:
            self._carry(job)
            return
        try:
            await self._deliverer.tell(job)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)

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
                log.warning("%s: the database does not answer; trying again", self._backend.name)
                await self._clock.sleep(STORE_PAUSE)
            except Exception:
                log.exception("%s: the store gives no job; trying again", self._backend.name)
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
        """Whether one more of ours is right beside the prompts of others: one at a time, and none that waits longer."""
        return self._backend.foreign == 0 or (self._slots.taken == 0 and self._is_worthwhile())

    async def _until_ready(self) -> None:
        while not self._is_ready():
            await self._backend.wait_online()
            await self._tenancy.wait_held(self._backend.key)  # if that was the reason, `_tenure` is about to end this
            if not self._is_ready():
                await self._clock.sleep(LOOK_EVERY)

    async def _watch_absence(self) -> None:
        """Give the jobs of a server that stays away to others; stop what is left of them when it is back."""
        away = 0.0
        while True:
            await self._clock.sleep(LOOK_EVERY)
            away = 0.0 if self._backend.online else away + LOOK_EVERY
            try:
                if away > ABSENCE and self._carried:  # the first look may come right after it went
                    await self._carrier.leave()
            except StoreDownError:
                log.debug("%s is away, and the database does not answer", self._backend.name)
            await self._carrier.tidy_up()

    async def _keep_sweeping(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_EVERY)
            try:
                await self.sweep()
            except StoreDownError:
                log.debug("no sweep: the database does not answer")

    async def sweep(self) -> None:
        """Take up jobs that this server has and nobody carries: their claim, or their carrier, met a dead database.

        Only what was so at the last look, too: a claim may be about to arrive here.
        """
        carried = {job.id for job in self._carried.values()}
        running = await self._store.browse({JobState.RUNNING}, limit=SWEPT)
        alone = [job for job in running if job.server == self._backend.key and job.id not in carried]
        for job in alone:
            if self._orphans.get(job.id) == job.epoch and (seized := await self._seized(job)):
                log.warning("job %s was carried by nobody", job.id)
                self._carry(seized)
        self._orphans = {job.id: job.epoch for job in alone}

    async def _seized(self, job: Job) -> Job | None:
        seized = await self._store.seize(job.id)
        return seized if seized and seized.state is JobState.RUNNING else None

    # ------------------------------------------------------------------ carrying them

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
            log.warning("%s: the database does not answer; it is taken up again", task.get_name())
            self._orphans[job.id] = job.epoch
        else:
            log.critical("%s could not be brought to an end", task.get_name(), exc_info=error)
