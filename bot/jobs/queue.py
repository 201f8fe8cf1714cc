"""The waiting line in front of the servers: hands jobs to the runners, and tells those who wait where they are.

It decides nothing about order; the store's `claim` does. It takes no jobs in either (`bot.jobs.intake`). Of several
processes one tells positions, the one that holds the lease `LINE`.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection

from bot.clock import Clock
from bot.jobs.durations import Durations
from bot.jobs.hints import Hints, Topic
from bot.jobs.job import Job
from bot.jobs.lineup import Lineup
from bot.jobs.naps import nap
from bot.jobs.ports import Presenter
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.updates import Waiting

log = logging.getLogger(__name__)

LINE = "@line"
"""What is leased by whoever tells positions, as servers are."""
REFRESH_EVERY = 1.0
"""Seconds between two looks at everybody's position, however often the line moves."""
TELL_AGAIN = 15.0
"""Seconds until everybody is told again although the line stands still: their turn comes nearer all the same."""
CLASSES = 10_000
"""Classes of jobs that are remembered as announced."""
TOLD_AT_ONCE = 25
"""Jobs that are told before others get their turn of the event loop."""


class JobQueue:
    """Hands jobs to whoever asks for work. `owner` is this instance, to whom the servers are leased."""

    def __init__(
        self,
        *,
        store: JobStore,
        presenter: Presenter,
        lineup: Lineup,
        durations: Durations,
        hints: Hints,
        clock: Clock,
        owner: str,
        tells: Callable[[], bool] = lambda: True,
        on_left: Callable[[Collection[str]], None] | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """`tells` says whether this process tells positions; `on_left` takes jobs that it will not tell of any more."""
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._owner = owner
        self._lineup = lineup
        self._durations = durations
        self._hints = hints
        self._tells = tells
        self._on_left = on_left
        self._new_id = new_id
        self._work = asyncio.Event()
        self._moved = asyncio.Event()
        self._next_ids: dict[str, str] = {}
        self._classes: set[str] = {""}
        self._told: dict[str, Waiting] = {}
        hints.listen(Topic.WORK, lambda _payload: self._wake())

    def expect(self, workflow: str) -> float:
        """Return the GPU-seconds that a run is expected to take."""
        return self._durations.expect(workflow)

    async def outlook(self, guild_id: int | None, user_id: int, workflow: str) -> Waiting:
        """Return what a job handed in now would be told."""
        outlook = await self._lineup.outlook(guild_id, user_id, workflow)
        return Waiting(
            position=outlook.position,
            total=outlook.total,
            offline=outlook.is_offline,
            starts_in=outlook.starts_in,
            reason=outlook.reason,
        )

    def entered(self, job: Job) -> None:
        """Say that a job has come into the line."""
        self._lineup.entered(job)
        self._announce(job.spec.needs.cls)
        self.wake()

    def _announce(self, cls: str) -> None:
        """Let those who judge servers know of a class of jobs that may be new."""
        if cls not in self._classes:
            if len(self._classes) >= CLASSES:
                self._classes.clear()
            self._classes.add(cls)
            self._hints.send(Topic.CLASS, cls)

    def left(self, job_id: str) -> None:
        """Say that a job has left the line, other than by `next_for`."""
        self._lineup.left(job_id)
        self.wake()

    def wake(self) -> None:
        """Say that there may be work, or that a server came or went, or that positions may have changed."""
        self._hints.send(Topic.WORK)

    def _wake(self) -> None:
        self._work.set()
        self._moved.set()

    async def next_for(self, server: str, is_ready: Callable[[], bool], loaded: str = "") -> Job | None:
        """Return the next job for a server (its `Backend.key`), as soon as there is one; None when it is not ready.

        `loaded` are the models that it has loaded. `wake` makes it look at once at work and at `is_ready`; without
        that it looks now and then.
        """
        while is_ready():
            self._work.clear()  # before the look: a job that comes during it sets the event again
            # The same id until it is used: after an answer that was lost, it brings the same job
            prompt_id = self._next_ids.setdefault(server, self._new_id())
            job = await self._store.claim(server, self._owner, prompt_id, self._clock.now(), loaded=loaded)
            if job is not None:
                del self._next_ids[server]
                self._lineup.left(job.id)
                self.wake()  # others may be asleep although more than one job came; and everybody's place has changed
                return job
            await nap(self._clock, self._hints.look_every, self._work)
        return None

    # ------------------------------------------------------------------ telling

    async def keep_informed(self) -> None:
        """Tell everybody who waits about their position, for ever; the owner cancels this."""
        while True:
            await nap(self._clock, self._patience, self._moved)
            self._moved.clear()
            if self._tells():
                await self._inform()
            elif self._told:
                self._let_go()
            await self._clock.sleep(REFRESH_EVERY)

    @property
    def _patience(self) -> float:
        """Where others do not let us know that the line has moved, who has left it must not be told their old place."""
        return TELL_AGAIN if self._hints.look_every >= REFRESH_EVERY else self._hints.look_every

    async def _inform(self) -> None:
        try:
            await self.inform()
        except StoreDownError:
            log.warning("nobody is told their position: the database does not answer")

    async def inform(self) -> None:
        """Tell everybody who waits about their position, once."""
        survey = await self._lineup.survey()
        told: dict[str, Waiting] = {}
        for number, standing in enumerate(survey.waiting, start=1):
            waiting = told[standing.job.id] = Waiting(
                position=standing.position,
                total=survey.total,
                offline=survey.is_offline,
                starts_in=standing.starts_in,
                reason=standing.reason,
            )
            if self._told.get(standing.job.id) != waiting:
                self._presenter.update(standing.job, waiting)
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)
        left, self._told = self._told.keys() - told.keys(), told
        if left and self._on_left:
            self._on_left(left)

    def _let_go(self) -> None:
        """Leave everybody to the process that tells positions now."""
        told, self._told = self._told.keys(), {}
        if self._on_left:
            self._on_left(told)
