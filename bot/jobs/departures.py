"""Jobs that left the line for another process: this one stops speaking of them, and sees whether it was too late.

An edit with a position may be on its way to Discord while another process runs the job and tells its end, or may have
been made after that, before this process knew. What arrives last is what the member sees; so once such an edit is over,
an end that was told meanwhile is told once more.
"""

import asyncio
import logging
from collections.abc import Callable, Collection

from bot.clock import Clock
from bot.jobs.hints import Hints, Topic
from bot.jobs.job import Delivery, IllegalMoveError, Job, JobState
from bot.jobs.naps import cancelled
from bot.jobs.ports import Presenter
from bot.jobs.records import JobStore, StoreDownError

log = logging.getLogger(__name__)

SETTLE_LIMIT = 120.0
"""Seconds for edits that are on their way: longer than all their tries take."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether an end has been told."""
APART = 0.5
"""Seconds by which the clocks of two machines may differ."""
AT_ONCE = 4
"""Departures that are looked up at the same time."""
TOLD = (Delivery.SENT, Delivery.KEPT)


class Departures:
    """Takes care of jobs that left the line. `close` it when the process ends."""

    def __init__(
        self,
        *,
        store: JobStore,
        presenter: Presenter,
        hints: Hints,
        is_ours: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        """`is_ours` says whether this process works with a server (`Backend.key`)."""
        self._store = store
        self._presenter = presenter
        self._hints = hints
        self._is_ours = is_ours
        self._clock = clock
        self._few = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, jobs: Collection[str]) -> None:
        """See to jobs that are not in the line any more; returns at once."""
        for job_id in jobs:
            task = asyncio.create_task(self._see_to(job_id), name=f"job {job_id} has left the line")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let go of what is under way: whoever starts next tells what is due."""
        await cancelled(*self._tasks)

    async def _see_to(self, job_id: str) -> None:
        try:
            async with self._few:
                job = await self._store.get(job_id)
            if job is not None and self._is_ours(job.server):
                return
            edited = self._presenter.forget(job_id)
            if edited:
                async with asyncio.timeout(SETTLE_LIMIT):
                    await self._presenter.settle(job_id)
                    await self._tell_again(job_id, edited)
        except (StoreDownError, TimeoutError, IllegalMoveError) as error:
            log.warning("job %s: nobody knows whether its message shows its end: %s", job_id, type(error).__name__)

    async def _tell_again(self, job_id: str, edited: float) -> None:
        """Let the end be told again, if there is one that an edit of that time may have come after."""
        job = await self._store.get(job_id)
        if job is None or not job.finished or edited < job.finished - APART:
            return
        while job is not None and _is_being_told(job):  # it may have arrived before our edit, and not be written down
            await self._clock.sleep(LOOK_EVERY)
            job = await self._store.get(job_id)
        if job is not None and job.state.is_final and job.delivery in TOLD:
            await self._store.note(job, delivery=Delivery.PENDING, not_before=self._clock.now())
            self._hints.send(Topic.DUE)


def _is_being_told(job: Job) -> bool:
    return job.state is JobState.DELIVERING or (job.state.is_final and job.delivery is Delivery.PENDING)
