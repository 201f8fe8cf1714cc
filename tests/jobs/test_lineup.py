"""What is known of the line: its order, and about when each turn will come."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.jobs.durations import UNKNOWN, Durations
from bot.jobs.job import Job
from bot.jobs.lineup import Lineup
from bot.jobs.store.sqlstore import SqlStore
from tests.clocks import ManualClock
from tests.jobs.doubles import place, requester, spec
from tests.stores import memory_store

GPU = "http://gpu1:8188"


class Scene:
    """A line in front of servers that are free in so many seconds."""

    def __init__(self, store: SqlStore, places: list[float]) -> None:
        self.store = store
        self.clock = ManualClock()
        self.durations = Durations()
        self.places = places
        self.lineup = Lineup(
            store=store,
            durations=self.durations,
            places=lambda: self.places,
            any_online=lambda: bool(self.places),
            clock=self.clock,
        )

    async def order(self, number: int, workflow: str = "imagine") -> None:
        await self.store.add(
            Job(f"job{number}", spec(workflow=workflow), requester(), place(number), created=float(number))
        )

    async def turns(self) -> list[tuple[str, int, float | None]]:
        """Return the line as it is told."""
        survey = await self.lineup.survey()
        return [(each.job.id, each.position, each.starts_in) for each in survey.waiting]


@asynccontextmanager
async def scene(*places: float) -> AsyncIterator[Scene]:
    async with memory_store() as store:
        yield Scene(store, list(places))


async def test_turns_come_as_long_as_runs_take() -> None:
    async with scene(4.0) as here:
        here.durations.learn("imagine", GPU, 10.0)
        here.durations.learn("video", GPU, 100.0)
        for number, workflow in enumerate(("imagine", "video", "imagine"), start=1):
            await here.order(number, workflow)
        assert await here.turns() == [("job1", 1, 4.0), ("job2", 2, 14.0), ("job3", 3, 114.0)]


async def test_of_what_was_never_run_something_is_assumed() -> None:
    async with scene(0.0) as here:
        await here.order(1)
        await here.order(2)
        assert await here.turns() == [("job1", 1, 0.0), ("job2", 2, UNKNOWN)]


async def test_while_no_server_is_there_no_time_is_told() -> None:
    async with scene() as here:
        await here.order(1)
        assert await here.turns() == [("job1", 1, None)]
        assert (await here.lineup.survey()).is_offline


async def test_who_has_a_server_is_not_in_the_line_any_more() -> None:
    async with scene(0.0) as here:
        await here.order(1)
        await here.order(2)
        assert await here.lineup.length() == 2
        await here.store.hold([GPU], "me", 30.0)
        assert await here.store.claim(GPU, "me", "prompt1", here.clock.now())
        survey = await here.lineup.survey()
        assert [job.id for job in survey.running] == ["job1"]
        assert [(each.job.id, each.position) for each in survey.waiting] == [("job2", 1)]
        assert survey.total == 1
