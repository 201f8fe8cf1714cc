"""Knows the line: who waits in which order, what is running, and about when each turn will come.

It decides nothing: the store's `claim` does.
"""

from collections.abc import Callable, Sequence

from bot.clock import Clock
from bot.jobs.durations import Durations
from bot.jobs.forecast import Waits, forecast
from bot.jobs.job import Job, JobState
from bot.jobs.records import JobStore
from bot.jobs.survey import Standing, Survey

HEAD = 500
"""Places of the line, from its head, that are looked at; who stands behind them is only counted."""
RUNNING = 50
"""Running jobs that are looked at."""


class Lineup:
    """Draws surveys. `places` tells of each GPU in how many seconds it will be free of what it has."""

    def __init__(
        self,
        *,
        store: JobStore,
        durations: Durations,
        places: Callable[[], Sequence[float]],
        any_online: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._store = store
        self._durations = durations
        self._places = places
        self._any_online = any_online
        self._clock = clock
        self._known: dict[str, Job] = {}

    @property
    def is_offline(self) -> bool:
        """Whether no server can be reached."""
        return not self._any_online()

    async def length(self) -> int:
        """Return how many jobs wait. Raises `StoreDownError`."""
        return await self._store.line_length()

    def next_free(self) -> float | None:
        """Return in how many seconds a server will be free of what it has; None when that cannot be foreseen."""
        return min(self._places(), default=None)

    async def survey(self) -> Survey:
        """Return the line as it is now. Raises `StoreDownError`."""
        line = await self._store.line(HEAD)
        total = len(line) if len(line) < HEAD else max(HEAD, await self._store.line_length())
        running = await self._store.browse((JobState.RUNNING,), limit=RUNNING)
        jobs = await self._head(line)
        return Survey(
            running=sorted(running, key=lambda job: job.started or self._clock.now()),
            waiting=self._standings(jobs),
            total=total,
            is_offline=self.is_offline,
        )

    async def _head(self, line: Sequence[str]) -> list[Job]:
        """Return the jobs of these ids; those that were there at the last look are not read again."""
        known = self._known
        self._known = {job_id: known[job_id] for job_id in line if job_id in known}
        for job_id in line:
            if job_id not in known and (job := await self._store.get(job_id)):
                self._known[job_id] = job
        return [self._known[job_id] for job_id in line if job_id in self._known]

    def _standings(self, jobs: Sequence[Job]) -> list[Standing]:
        places = self._places()
        waits = [Waits(job.id, "", "", self._durations.expect(job.spec.workflow)) for job in jobs]
        turns = forecast(waits, {}, places, now=self._clock.now(), limit=len(jobs))
        by_id = {job.id: job for job in jobs}
        return [Standing(by_id[turn.job_id], turn.position, turn.starts_in if places else None) for turn in turns]
