"""The waiting line in front of the servers: hands jobs to the runners, and tells those who wait where they are.

It decides nothing about order; the store's `claim` does. It takes no jobs in either (`bot.jobs.intake`).
"""

import asyncio
import logging
import uuid
from collections.abc import Callable

from bot.clock import Clock
from bot.jobs.job import Job
from bot.jobs.lineup import Lineup
from bot.jobs.naps import nap
from bot.jobs.ports import Presenter
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.updates import Waiting

log = logging.getLogger(__name__)

REFRESH_EVERY = 1.0
"""Seconds between two looks at everybody's position, however often the line moves."""
TELL_AGAIN = 15.0
"""Seconds until everybody is told again although the line stands still: their turn comes nearer all the same."""
LOOK_EVERY = 2.0
"""Seconds between two looks for work that nobody announced: put off, requeued by the owner, or another process's."""


class JobQueue:
    """Hands jobs to whoever asks for work. `owner` is this instance, to whom the servers are leased."""

    def __init__(
        self,
        *,
        store: JobStore,
        presenter: Presenter,
        lineup: Lineup,
        clock: Clock,
        owner: str,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._owner = owner
        self._lineup = lineup
        self._new_id = new_id
        self._work = asyncio.Event()
        self._moved = asyncio.Event()
        self._next_ids: dict[str, str] = {}

    async def outlook(self) -> Waiting:
        """Return what a job handed in now would be told."""
        total = await self._lineup.length() + 1
        starts_in = self._lineup.next_free() if total == 1 else None
        return Waiting(position=total, total=total, offline=self._lineup.is_offline, starts_in=starts_in)

    def wake(self) -> None:
        """Say that there may be work, or that a server came or went, or that positions may have changed."""
        self._work.set()
        self._moved.set()

    async def next_for(self, server: str, is_ready: Callable[[], bool]) -> Job | None:
        """Return the next job for a server (its `Backend.key`), as soon as there is one; None when it is not ready.

        `wake` makes it look at once at work and at `is_ready`; without that it looks now and then.
        """
        while is_ready():
            self._work.clear()  # before the look: a job that comes during it sets the event again
            # The same id until it is used: after an answer that was lost, it brings the same job
            prompt_id = self._next_ids.setdefault(server, self._new_id())
            job = await self._store.claim(server, self._owner, prompt_id, self._clock.now())
            if job is not None:
                del self._next_ids[server]
                self.wake()  # others may be asleep although more than one job came
                return job
            await nap(self._clock, LOOK_EVERY, self._work)
        return None

    async def keep_informed(self) -> None:
        """Tell everybody who waits about their position, for ever; the owner cancels this."""
        while True:
            await nap(self._clock, TELL_AGAIN, self._moved)
            self._moved.clear()
            try:
                await self.inform()
            except StoreDownError:
                log.warning("nobody is told their position: the database does not answer")
            await self._clock.sleep(REFRESH_EVERY)

    async def inform(self) -> None:
        """Tell everybody who waits about their position, once."""
        survey = await self._lineup.survey()
        for standing in survey.waiting:
            self._presenter.update(
                standing.job,
                Waiting(
                    position=standing.position,
                    total=survey.total,
                    offline=survey.is_offline,
                    starts_in=standing.starts_in,
                ),
            )
