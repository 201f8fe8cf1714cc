"""Which servers can run what is written down before anybody waits for it, and again when a server has changed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from bot.aio import cancel_and_wait
from bot.jobs.cluster.bus import LocalBus, Topic
from bot.jobs.cluster.compatibility import CompatibilityChecker
from bot.jobs.repository import AccountStatus, QueueEntry
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import ServerHealth
from bot.policy.fair_share import Share
from bot.policy.pauses import Pause, of_member, of_workflow, scopes_of
from bot.policy.terms import QueueTerms, account_key
from bot.storage.database import Database, open_database
from bot.workflow.graph.definitions import Definitions, NodeDefinition
from bot.workflow.run.needs import Abilities, Needs
from tests.clocks import ManualClock
from tests.jobs.doubles import ScriptedBackend, spec
from tests.jobs.queue_setup import new_job, until

ONE, TWO = "http://one", "http://two"
DRAW, FILM = Needs(nodes=frozenset({"KSampler"})), Needs(nodes=frozenset({"Video"}))


def able(*nodes: str) -> Abilities:
    return Abilities(Definitions({node: NodeDefinition(node) for node in nodes}))


class Scene:
    """Two servers that are written down, and what is known of them."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.fleet, self.clock = database, database.fleet, clock
        self.bus = LocalBus()
        self.servers = [ScriptedBackend(key=ONE), ScriptedBackend(key=TWO)]
        self.resting: set[str] = set()
        self.compatibility = CompatibilityChecker(
            fleet=self.fleet,
            servers=lambda: self.servers,
            is_resting=lambda key: key in self.resting,
            bus=self.bus,
            clock=clock,
        )
        self.blockers = StartBlockers(fleet=self.fleet, policy=database.policies, clock=clock)

    async def order(self, number: int, needs: Needs) -> None:
        await self.database.jobs.add(new_job(spec(needs=needs), number, created=float(number)))

    async def fits(self, needs: Needs) -> dict[str, bool]:
        return {key: verdict.is_compatible for key, verdict in (await self.fleet.compatibility(needs.cls)).items()}

    async def reason(self, needs: Needs = DRAW, account: AccountStatus | None = None, workflow: str = "imagine") -> str:
        await self.blockers.refresh([needs.cls])
        job = QueueEntry("job", "5:7", 7, "5", workflow, needs.cls, 10.0)
        return str(self.blockers.of(job, account) or "")


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    clock = ManualClock()
    database = await open_database("sqlite:///:memory:", clock=clock.now)
    for key in (ONE, TWO):
        await database.fleet.add(key, key, "", 1)
    try:
        yield Scene(database, clock)
    finally:
        await database.close()


async def test_each_class_is_judged_by_each_server() -> None:
    async with scene() as here:
        here.servers[0].abilities, here.servers[1].abilities = able("KSampler"), able("KSampler", "Video")
        await here.order(1, DRAW)
        await here.order(2, FILM)
        await here.compatibility.check_all()
        assert await here.fits(DRAW) == {ONE: True, TWO: True}
        assert await here.fits(FILM) == {ONE: False, TWO: True}


async def test_a_server_that_has_learnt_something_is_judged_anew() -> None:
    async with scene() as here:
        here.servers[0].abilities = able("KSampler")
        await here.order(1, FILM)
        await here.compatibility.check_all()
        assert await here.fits(FILM) == {ONE: False}
        here.servers[0].abilities = able("KSampler", "Video")
        await here.compatibility.check_all()
        assert await here.fits(FILM) == {ONE: True}


async def test_a_server_that_has_told_nothing_is_not_judged() -> None:
    async with scene() as here:
        await here.order(1, DRAW)
        await here.compatibility.check_all()
        assert await here.fits(DRAW) == {}
        assert await here.reason() == ""


async def test_a_new_class_wakes_the_line_as_soon_as_it_is_judged() -> None:
    async with scene() as here:
        here.servers[0].abilities = able("KSampler")
        woken: list[str] = []
        here.bus.subscribe(Topic.WORK, woken.append)
        task = asyncio.create_task(here.compatibility.run())
        try:
            await until(lambda: here.compatibility._described.get(ONE))
            woken.clear()
            await here.order(1, DRAW)
            here.bus.send(Topic.CLASS, DRAW.cls)
            await until(lambda: woken, "for the verdict")
            assert await here.fits(DRAW) == {ONE: True}
        finally:
            await cancel_and_wait(task)


async def test_how_a_server_is_is_written_down_when_it_changes() -> None:
    async with scene() as here:
        seen: list[str] = []
        here.servers[1].up.clear()
        for resting in (set[str](), {ONE}, set[str]()):
            here.resting = resting
            await here.compatibility.check_all()
            seen.append({record.key: record.health for record in await here.fleet.servers()}[ONE])
        assert seen == [ServerHealth.ONLINE, ServerHealth.RESTING, ServerHealth.ONLINE]
        assert {record.key: record.health for record in await here.fleet.servers()}[TWO] == ServerHealth.OFFLINE


async def test_what_no_server_can_run_says_what_is_missing() -> None:
    async with scene() as here:
        here.servers[0].abilities = here.servers[1].abilities = able("KSampler")
        await here.order(1, FILM)
        await here.compatibility.check_all()
        assert "Video" in await here.reason(FILM)
        here.servers[1].abilities = able("Video")
        await here.compatibility.check_all()
        here.blockers.invalidate()
        assert await here.reason(FILM) == ""


async def test_what_is_paused_says_so_with_the_reason() -> None:
    async with scene() as here:
        await here.database.policies.pause(Pause(of_workflow("video", 5), by=1, reason="too slow"))
        assert "too slow" in await here.reason(workflow="video")
        assert await here.reason() == ""
        await here.database.policies.pause(Pause(of_member(5, 7), by=1, until=here.clock.now() + 10))
        assert "Paused" in await here.reason()
        await here.clock.advance(11)
        assert await here.reason() == ""


@pytest.mark.parametrize("scope", scopes_of(guild="5", workflow="imagine", account=account_key(5, 7)))
async def test_every_pause_that_holds_a_job_up_is_its_reason(scope: str) -> None:
    async with scene() as here:
        await here.database.policies.pause(Pause(scope, by=1))
        assert "Paused" in await here.reason()


async def test_who_has_as_many_running_as_they_may_is_told() -> None:
    async with scene() as here:
        account = AccountStatus(Share(), QueueTerms(cap=2), running=2)
        assert "2 at a time" in await here.reason(account=account)
        assert await here.reason(account=AccountStatus(Share(), QueueTerms(cap=2), running=1)) == ""


async def test_servers_of_other_processes_count_by_what_is_written_down() -> None:
    class Ours:
        def idle_in(self, key: str) -> float | None:
            return 4.0

        def is_leased(self, key: str) -> bool:
            return key == ONE

    async with scene() as here:
        run_times = RunTimeEstimates()
        run_times.record("imagine", TWO, 20.0)
        places = CapacityEstimator(fleet=here.fleet, local=Ours(), run_times=run_times, clock=here.clock)
        assert await places.estimate([]) == [4.0], "nobody has said that the other one is there"
        await here.fleet.report(TWO, ServerHealth.ONLINE)
        places.invalidate()
        job = new_job(spec(), 1, created=1.0, server=TWO, started=here.clock.now() - 5.0)
        assert await places.estimate([job]) == [4.0, 15.0]
        await here.fleet.drain(TWO, drained=True)
        await here.fleet.drain(ONE, drained=True)
        places.invalidate()
        assert await places.estimate([job]) == []
        assert places.are_drained
