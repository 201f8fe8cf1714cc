"""The bot ends at any moment and begins again: every job ends once, and no prompt is posted twice."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from bot.clock import SystemClock
from bot.comfy.server import ComfyServer
from bot.i18n import Message
from bot.jobs.delivery.result_files import FileResultStore
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.status import RunningStatus
from bot.sandbox.comfyui import ServerState, StandIn
from bot.workflow.run.events import OutputFile
from bot.workflow.run.spec import RunSpec
from tests.comfy.conftest import FAST
from tests.comfy.graphs import txt2img
from tests.databases import memory_store
from tests.jobs.crash_points import (
    POINTS,
    BoardBehind,
    Door,
    ServerBehind,
    ShelfBehind,
    StoreBehind,
)
from tests.jobs.doubles import Board
from tests.jobs.queue_setup import (
    Staff,
    ended,
    new_job,
    until,
)

MODEL = "dreamscape-sd15.safetensors"


@dataclass
class Wall(Board):
    """A message board on which the same result may be shown again: editing again changes nothing."""

    shown: dict[str, list[bytes]] = field(default_factory=dict)

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
        pictures = [output.data for output in outputs]
        assert self.shown.setdefault(job.id, pictures) == pictures, "another result than before"
        return Delivery.SENT


class World:
    """What outlives the bot: a ComfyUI, a database, a disk and Discord."""

    def __init__(self, standin: StandIn, store: Any, folder: Path, session: aiohttp.ClientSession) -> None:
        self.standin = standin
        self.store = store
        self.results = FileResultStore(folder / "results", durable=False)
        self.wall = Wall()
        self.session = session
        self.numbers = 0

    async def order(self, *, steps: int = 3, **changes: Any) -> Job:
        self.numbers += 1
        graph = txt2img(MODEL, seed=self.numbers, steps=steps, prefix=f"job{self.numbers}")
        what = RunSpec(workflow="imagine", title="Imagine", graph=graph, **changes)
        job = new_job(what, self.numbers, created=SystemClock().now())
        await self.store.add(job)
        return job

    @asynccontextmanager
    async def bot(self, door: Door | None = None, *, orderly: bool = False) -> AsyncGenerator[ComfyServer]:
        """The bot, until it crashes at the end of the context (or stops in an orderly way)."""
        door = door or Door("nowhere")
        server = ComfyServer(
            name="gpu1",
            url=self.standin.url,
            session=self.session,
            clock=SystemClock(),
            random=Random(1),
            timeouts=FAST,
            client_id=str(uuid.uuid5(uuid.NAMESPACE_URL, self.standin.url)),
        )
        await server.start()
        staff = Staff(
            ServerBehind(server, door),
            StoreBehind(self.store, door),
            ShelfBehind(self.results, door),
            BoardBehind(self.wall, door),
            SystemClock(),
        )
        staff.begin()
        try:
            yield server
        finally:
            await (staff.stop() if orderly else staff.crash())
            await server.close()

    async def all_end(self, *jobs: Job) -> None:
        for job in jobs:
            assert await ended(self.store, job) is JobState.DONE
        assert set(self.wall.shown) == {job.id for job in jobs}
        assert self.wall.failed == {}
        posted = self.standin.state.seen.prompts
        assert len(posted) == len(set(posted)), "no prompt is posted twice"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        StandIn(ServerState(seconds_per_step=0.02)) as standin,
        memory_store() as store,
        aiohttp.ClientSession() as session,
    ):
        yield World(standin, store, tmp_path, session)


@pytest.mark.parametrize("point", POINTS)
async def test_a_bot_that_dies_anywhere_brings_the_job_to_its_end_when_it_is_back(world: World, point: str) -> None:
    job = await world.order()
    door = Door(point)
    async with world.bot(door):
        await asyncio.wait_for(door.reached.wait(), 10)
    async with world.bot():
        await world.all_end(job)
    assert len(world.standin.state.seen.prompts) == 1, "and the GPU works once"


async def test_a_bot_that_dies_in_the_middle_of_a_run_hears_of_its_progress_again(world: World) -> None:
    job = await world.order(steps=60)
    async with world.bot():
        await until(lambda: any(isinstance(u, RunningStatus) and u.step for _, u in world.wall.updates))
    world.wall.updates.clear()
    async with world.bot():
        await until(lambda: any(isinstance(u, RunningStatus) and u.step > 1 for _, u in world.wall.updates), "progress")
        await world.all_end(job)
    assert world.standin.state.seen.sockets_opened == 2


async def test_runs_go_on_and_end_while_no_bot_is_there(world: World) -> None:
    jobs = [await world.order(steps=5) for _ in range(4)]
    async with world.bot():
        await until(lambda: len(world.standin.state.seen.prompts) == 2)
    await asyncio.sleep(1.0)
    async with world.bot():
        await world.all_end(*jobs)
    assert len(world.standin.state.seen.prompts) == 4


async def test_an_orderly_stop_leaves_prompts_where_they_are(world: World) -> None:
    jobs = [await world.order(steps=30) for _ in range(3)]
    async with world.bot(orderly=True):
        await until(lambda: len(world.standin.state.seen.prompts) == 2)
    assert world.standin.state.seen.interrupts == []
    async with world.bot():
        await world.all_end(*jobs)
    assert len(world.standin.state.seen.prompts) == 3


@pytest.mark.parametrize("point", ["after the POST", "before the shelf"])
async def test_bot_and_server_die_together_and_the_job_runs_again(world: World, point: str) -> None:
    jobs = [await world.order(steps=5) for _ in range(3)]
    door = Door(point)
    async with world.bot(door):
        await asyncio.wait_for(door.reached.wait(), 10)
    await world.standin.kill()
    await world.standin.start()
    async with world.bot():
        await world.all_end(*jobs)


async def test_a_server_that_dies_after_the_result_was_kept_costs_nothing(world: World) -> None:
    job = await world.order()
    door = Door("after delivering")
    async with world.bot(door):
        await asyncio.wait_for(door.reached.wait(), 10)
    await world.standin.kill()
    async with world.bot():
        await world.all_end(job)
    assert len(world.standin.state.seen.prompts) == 1


async def test_a_bot_that_dies_again_and_again_loses_nothing(world: World) -> None:
    random = Random(20261125)
    jobs = [await world.order(steps=random.randint(1, 12)) for _ in range(12)]
    for _ in range(10):
        async with world.bot():
            await asyncio.sleep(random.uniform(0.05, 0.5))
    async with world.bot():
        await world.all_end(*jobs)
    assert len(world.standin.state.seen.prompts) == len(jobs)


async def test_a_server_that_dies_again_and_again_loses_no_job(world: World) -> None:
    random = Random(20261125)
    jobs = [await world.order(steps=random.randint(1, 12)) for _ in range(8)]
    async with world.bot():
        for _ in range(4):
            await asyncio.sleep(random.uniform(0.2, 0.6))
            await world.standin.kill()
            await asyncio.sleep(0.1)
            await world.standin.start()
        await world.all_end(*jobs)


async def test_a_job_that_nobody_carries_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.jobs.execution.server_worker.ORPHAN_SCAN_INTERVAL", 0.1)
    job = await world.order()
    async with world.bot() as server:
        # a claim whose answer was lost: the database has carried it out, and nobody knows
        await world.store.acquire_leases([server.key], "this-bot", 30.0)
        await world.all_end(job)
        lost = await world.order()
        await world.store.claim(server.key, "this-bot", str(uuid.uuid4()), SystemClock().now())
        await world.all_end(job, lost)


async def test_a_run_that_hangs_is_stopped_and_the_next_one_runs(world: World) -> None:
    world.standin.state.seconds_per_step = 2.5
    job = await world.order(idle_limit=1.0)
    async with world.bot():
        assert await ended(world.store, job) is JobState.FAILED
        assert world.standin.state.seen.interrupts == world.standin.state.seen.prompts
        world.standin.state.seconds_per_step = 0.02
        assert await ended(world.store, await world.order()) is JobState.DONE
    assert "No progress for 1 second" in world.wall.failed[job.id]


async def test_files_deleted_under_a_cached_run_are_saved_again(world: World) -> None:
    first = await world.order()
    async with world.bot():
        await world.all_end(first)
        remove_files(world.standin.directory / "output")
        steps = world.standin.state.seen.frames["progress"]
        again = new_job(first.spec, 99, created=SystemClock().now())
        await world.store.add(again)
        await world.all_end(first, again)
    assert world.standin.state.seen.frames["progress"] == steps, "only the saving ran again"
    assert len(world.standin.state.seen.prompts) == 3


def remove_files(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
