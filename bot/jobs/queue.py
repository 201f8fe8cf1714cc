"""The waiting line in front of the servers: takes jobs in, wakes the runners, and tells those who wait where they are.

It decides nothing about order; the store's `claim` does.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress

from bot.clock import Clock
from bot.i18n import _
from bot.jobs.job import Job, Place, Requester
from bot.jobs.ports import Presenter
from bot.jobs.store import JobStore
from bot.jobs.updates import Waiting
from bot.workflow.spec import RunSpec

ABANDON_GRACE = 4.0
"""Seconds to tell everybody that the bot stops."""
REFRESH_EVERY = 1.0
"""Seconds between two looks at everybody's position, however often the line moves."""


class JobQueue:
    """Accepts jobs and hands them to whoever asks for work."""

    def __init__(
        self,
        *,
        store: JobStore,
        presenter: Presenter,
        clock: Clock,
        any_online: Callable[[], bool],
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._any_online = any_online
        self._new_id = new_id
        self._work = asyncio.Event()
        self._moved = asyncio.Event()

    async def outlook(self) -> Waiting:
        """Return what a job handed in now would be told."""
        total = len(await self._store.queued()) + 1
        return Waiting(position=total, total=total, offline=not self._any_online())

    async def submit(self, spec: RunSpec, requester: Requester, place: Place) -> Job:
        """Take a job in. Raises `DuplicateJobError` for an interaction that was seen before."""
        job = Job(id=self._new_id(), spec=spec, requester=requester, place=place, created=self._clock.now())
        outlook = await self.outlook()
        await self._store.add(job)
        self._presenter.update(job, outlook)
        self.wake()
        return job

    async def abandon(self) -> None:
        """Tell everybody whose job ends with this process that it does: a store in memory brings none of them back."""
        jobs = await self._store.unfinished()
        reason = _("The bot was stopped before this was done. Please ask again when it is back.")
        with suppress(TimeoutError):
            async with asyncio.timeout(ABANDON_GRACE):
                await asyncio.gather(*(self._presenter.fail(job, reason) for job in jobs))

    def wake(self) -> None:
        """Say that there may be work, or that a server came or went, or that positions may have changed."""
        self._work.set()
        self._moved.set()

    async def next_for(self, server: str, is_ready: Callable[[], bool]) -> Job | None:
        """Return the next job for a server, as soon as there is one; None when the server is not ready any more.

        `wake` must be called whenever `is_ready` may have changed.
        """
        while is_ready():
            self._work.clear()  # before the look: a job that comes during it sets the event again
            job = await self._store.claim(server, self._new_id(), self._clock.now())
            if job is not None:
                self.wake()  # others may be asleep although more than one job came
                return job
            await self._work.wait()
        return None

    async def keep_informed(self) -> None:
        """Tell everybody who waits about their position, for ever; the owner cancels this."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self.inform()
            await self._clock.sleep(REFRESH_EVERY)

    async def inform(self) -> None:
        """Tell everybody who waits about their position, once."""
        waiting = await self._store.queued()
        offline = not self._any_online()
        for position, job in enumerate(waiting, start=1):
            self._presenter.update(job, Waiting(position=position, total=len(waiting), offline=offline))
