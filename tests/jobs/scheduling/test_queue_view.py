"""What is known of the line: its order, and about when each turn will come."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from bot.i18n import verbatim
from bot.jobs.job import Job
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.queue_view import DRAINED, MAX_AGE, QueueView
from bot.jobs.scheduling.run_times import DEFAULT_SECONDS, RunTimeEstimates
from bot.storage.jobs.repository import SqlJobRepository
from tests.clocks import ManualClock
from tests.databases import memory_store
from tests.jobs.doubles import FewPlaces, Reasons, place, requester, spec

GPU = "http://gpu1:8188"
GUILD = place().guild_id


class Scene:
    """A line in front of servers that are free in so many seconds."""

    def __init__(self, store: SqlJobRepository, places: list[float]) -> None:
        self.store = store
        self.clock = ManualClock()
        self.run_times = RunTimeEstimates()
        self.places = places
        self.reasons = Reasons()
        self.fleet = FewPlaces(lambda: self.places)
        self.queue_view = QueueView(
            store=store,
            run_times=self.run_times,
            capacity=cast("CapacityEstimator", self.fleet),
            blockers=cast("StartBlockers", self.reasons),
            clock=self.clock,
        )

    async def order(self, number: int, workflow: str = "imagine", *, member: int = 7) -> Job:
        job = Job(f"job{number}", spec(workflow=workflow), requester(member), place(number), created=float(number))
        await self.store.add(job)
        return job

    async def turns(self) -> list[tuple[str, int, float | None]]:
        """Return the line as it is told."""
        survey = await self.queue_view.status()
        return [(each.job.id, each.position, each.starts_in) for each in survey.waiting]


@asynccontextmanager
async def scene(*places: float) -> AsyncGenerator[Scene]:
    async with memory_store() as store:
        yield Scene(store, list(places))


async def test_turns_come_as_long_as_runs_take() -> None:
    async with scene(4.0) as here:
        here.run_times.record("imagine", GPU, 10.0)
        here.run_times.record("video", GPU, 100.0)
        for number, workflow in enumerate(("imagine", "video", "imagine"), start=1):
            await here.order(number, workflow)
        assert await here.turns() == [("job1", 1, 4.0), ("job2", 2, 14.0), ("job3", 3, 114.0)]


async def test_of_what_was_never_run_something_is_assumed() -> None:
    async with scene(0.0) as here:
        await here.order(1)
        await here.order(2)
        assert await here.turns() == [("job1", 1, 0.0), ("job2", 2, DEFAULT_SECONDS)]


async def test_while_no_server_is_there_no_time_is_told() -> None:
    async with scene() as here:
        await here.order(1)
        assert await here.turns() == [("job1", 1, None)]
        assert (await here.queue_view.status()).is_offline


async def test_who_has_a_server_is_not_in_the_line_any_more() -> None:
    async with scene(0.0) as here:
        await here.order(1)
        await here.order(2)
        assert (await here.queue_view.status()).total == 2
        await here.store.acquire_leases([GPU], "me", 30.0)
        assert await here.store.claim(GPU, "me", "prompt1", here.clock.now())
        survey = await here.queue_view.status()
        assert [job.id for job in survey.running] == ["job1"]
        assert [(each.job.id, each.position) for each in survey.waiting] == [("job2", 1)]
        assert survey.total == 1


async def test_who_asks_for_one_stands_before_the_many_of_another() -> None:
    async with scene(0.0) as here:
        for number in range(1, 6):
            await here.order(number)
        await here.order(6, member=8)
        assert [job_id for job_id, _position, _starts_in in await here.turns()][:3] == ["job1", "job6", "job2"]


async def test_of_those_who_have_used_nothing_who_came_first_is_first() -> None:
    async with scene(0.0) as here:
        for number, member in enumerate((9, 8, 7), start=1):
            await here.order(number, member=member)
            await here.clock.advance(1.0)
        assert [job_id for job_id, _position, _starts_in in await here.turns()] == ["job1", "job2", "job3"]


async def test_a_newcomer_is_told_a_place_by_their_share() -> None:
    async with scene(0.0) as here:
        here.run_times.record("imagine", GPU, 10.0)
        for number in range(1, 6):
            await here.order(number)
        newcomer = await here.queue_view.expected_position(GUILD, 8, "imagine")
        again = await here.queue_view.expected_position(GUILD, 7, "imagine")
        assert (newcomer.position, newcomer.total) == (2, 6)
        assert newcomer.starts_in == 10.0
        assert (again.position, again.total) == (6, 6)


async def test_between_two_looks_it_knows_what_came_since() -> None:
    async with scene(0.0) as here:
        await here.queue_view.expected_position(GUILD, 7, "imagine")
        here.queue_view.entered(await here.order(1))
        outlook = await here.queue_view.expected_position(GUILD, 7, "imagine")
        assert (outlook.position, outlook.total) == (2, 2)
        await here.clock.advance(MAX_AGE + 1)
        outlook = await here.queue_view.expected_position(GUILD, 7, "imagine")
        assert (outlook.position, outlook.total) == (2, 2), "counted once, also after the next look"


async def test_what_is_held_back_stands_behind_and_says_why() -> None:
    async with scene(0.0) as here:
        here.reasons.by_workflow["video"] = verbatim("paused")
        await here.order(1, "video")
        await here.order(2)
        survey = await here.queue_view.status()
        assert [(each.job.id, each.position, str(each.reason or "")) for each in survey.waiting] == [
            ("job2", 1, ""),
            ("job1", 2, "paused"),
        ]
        outlook = await here.queue_view.expected_position(GUILD, 9, "video")
        assert str(outlook.reason) == "paused"


async def test_drained_servers_are_not_offline() -> None:
    async with scene() as here:
        here.fleet.are_drained = True
        await here.order(1)
        survey = await here.queue_view.status()
        assert not survey.is_offline
        assert survey.waiting[0].reason == DRAINED
