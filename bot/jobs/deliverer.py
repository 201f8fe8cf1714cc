"""Everything after a run: keeps the result, sees to it that its member is told, and comes back to those who were not.

What is told, by whom and when is in the store; this only bounds how many are told at the same time. It may end and
begin again at any moment: telling twice changes nothing in the channel.
"""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from bot.clock import Clock
from bot.i18n import Message
from bot.jobs.hints import Hints, Topic
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.naps import cancelled, nap
from bot.jobs.outcome import Outcome
from bot.jobs.ports import Backend, Presenter
from bot.jobs.records import JobStore, Shelf, StoreDownError
from bot.jobs.telling import IN_HAND, Telling
from bot.workflow.execution import OutputFile

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Jobs that are told at the same time; the pictures of further ones wait on the shelf."""
STOP_GRACE = 4.0
"""Seconds for what is on its way to Discord when the bot stops."""


class Deliverer:
    """Sees to the ends of jobs. `find` gives the server of a key, which may still have files that the shelf has not."""

    def __init__(
        self,
        *,
        store: JobStore,
        presenter: Presenter,
        shelf: Shelf,
        find: Callable[[str], Backend | None],
        hints: Hints,
        owner: str,
        clock: Clock,
    ) -> None:
        self._hints = hints
        self._store = store
        self._shelf = shelf
        self._owner = owner
        self._clock = clock
        self._telling = Telling(
            store=store,
            presenter=presenter,
            shelf=shelf,
            find=find,
            clock=clock,
        )
        self._due = asyncio.Event()
        hints.listen(Topic.DUE, lambda _payload: self._due.set())
        self._under_way: dict[asyncio.Task[None], Job] = {}
        self._reserved = 0

    # ------------------------------------------------------------------ what others hand over

    async def succeed(self, job: Job, outcome: Outcome) -> None:
        """Take the result of a RUNNING job: once this returns, neither a crash of the bot nor of the server loses it.

        Raises `IllegalMoveError` when somebody else took the job over, and tells nobody then.
        """
        try:
            await self._shelf.put(job.id, outcome.files)
        except OSError:
            log.exception("job %s: its result could not be kept on disk", job.id)
        await self._end(
            job,
            JobState.DELIVERING,
            files=outcome.files,
            outputs=tuple(file.ref for file in outcome.files),
            note=outcome.note,
            started=job.started or self._clock.now(),  # a run of which nothing was heard cannot have been long
        )

    async def fail(self, job: Job, reason: Message) -> None:
        """End a job without a result, and tell why. Raises `IllegalMoveError` when it is not ours to end."""
        log.info("job %s failed: %s", job.id, reason)
        await self._end(job, JobState.FAILED, error=reason)

    async def cancel(self, job: Job) -> None:
        """End a job that somebody cancelled while a server had it, and tell so. Raises `IllegalMoveError`."""
        log.info("job %s was cancelled by %s", job.id, job.cancel_by)
        await self._end(job, JobState.CANCELLED, cancel_by=job.cancel_by)

    async def tell(self, job: Job) -> None:
        """Tell of a job that is DELIVERING or has ended untold, now rather than when it is due."""
        await self._store.note(job, not_before=self._clock.now())
        self.wake()

    def wake(self) -> None:
        """Say that something may be due."""
        self._hints.send(Topic.DUE)

    async def let_go(self, server: str) -> None:
        """Leave the jobs of a server to whoever holds it from now on; what is on its way may arrive."""
        await self._finish([task for task, job in self._under_way.items() if job.server == server])

    async def _end(self, job: Job, state: JobState, *, files: Sequence[OutputFile] = (), **changes: Any) -> None:
        now = self._clock.now()
        if job.started:  # short runs have not written it down
            changes.setdefault("started", job.started)
        with self._reservation() as is_mine:
            not_before = now + IN_HAND if is_mine else now
            ended = await self._store.move(
                job, state, delivery=Delivery.PENDING, finished=now, not_before=not_before, **changes
            )
        if is_mine:
            self._start(ended, files)

    # ------------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Tell what is due, for ever; cancelling this lets what is on its way arrive, but not for long."""
        try:
            # At the start, runners first take over what was left on their servers: that is told once they say so
            await nap(self._clock, self._hints.look_every, self._due)
            while True:
                self._due.clear()
                if (job := await self._take()) is not None:
                    self._start(job, ())
                else:
                    await nap(self._clock, self._hints.look_every, self._due)
        finally:
            await self._finish(list(self._under_way))

    async def _take(self) -> Job | None:
        now = self._clock.now()
        with self._reservation() as is_free:
            try:
                return await self._store.take_untold(self._owner, now, now + IN_HAND) if is_free else None
            except StoreDownError:
                log.warning("nobody is told of ended jobs: the database does not answer")
                return None

    @contextmanager
    def _reservation(self) -> Generator[bool, None, None]:
        """Keep a place for one more job while the store is asked; False when there is none."""
        is_free = len(self._under_way) + self._reserved < AT_ONCE
        self._reserved += is_free
        try:
            yield is_free
        finally:
            self._reserved -= is_free

    def _start(self, job: Job, files: Sequence[OutputFile]) -> None:
        task = asyncio.create_task(self._telling.attempt(job, files), name=f"telling of job {job.id}")
        self._under_way[task] = job
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._due.set()

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_GRACE)
        await cancelled(*tasks)
