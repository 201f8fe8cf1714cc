"""The janitor: what nobody waits for goes, and nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.jobs.delivery.result_files import FileResultStore
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.maintenance.retention import INTERVAL, JOBS_KEPT, Retention
from bot.workflow.run.events import OutputFile
from tests.clocks import ManualClock
from tests.databases import memory_store
from tests.jobs.doubles import REF, spec
from tests.jobs.queue_setup import new_job

KEPT = 2 * 24 * 3600.0


class House:
    """A store, a shelf, and somebody who tidies."""

    def __init__(self, store: Any, folder: Path, clock: ManualClock) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.results = FileResultStore(folder, durable=False)
        self.retention = Retention(store=store, results=self.results, clock=clock, results_kept=KEPT)
        self.numbers = 0

    async def job(self, state: JobState, *, age: float, delivery: Delivery = Delivery.SENT) -> Job:
        """A job that reached a state some time ago, with its result on the shelf."""
        self.numbers += 1
        then = self.clock.now() - age
        job = new_job(spec(), self.numbers, created=then)
        await self.store.add(job)
        await self.store.acquire_leases(["gpu"], "me", 60.0)
        job = await self.store.claim("gpu", "me", f"prompt-{self.numbers}", then)
        if state is not JobState.RUNNING:
            job = await self.store.transition(job, JobState.DELIVERING, finished=then, delivery=Delivery.PENDING)
        if state.is_final:
            job = await self.store.transition(job, state, delivery=delivery)
        await self.results.put(job.id, [OutputFile(REF, b"x")])
        os.utime(self.folder / job.id, (then, then))
        return job

    async def on_shelf(self, job: Job) -> bool:
        return bool(await self.results.get(job.id))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = ManualClock()
    async with memory_store(clock.now) as store:
        yield House(store, tmp_path, clock)


async def test_a_result_goes_when_it_has_been_kept_long_enough(house: House) -> None:
    old = await house.job(JobState.DONE, age=KEPT + 1)
    new = await house.job(JobState.DONE, age=KEPT - 60)
    await house.retention.prune()
    assert not await house.on_shelf(old)
    assert await house.on_shelf(new)
    assert await house.store.get(old.id), "the record stays in the history"


async def test_what_was_never_shown_is_kept_as_long_as_its_job(house: House) -> None:
    waits = await house.job(JobState.DONE, age=KEPT * 3, delivery=Delivery.UNDELIVERABLE)
    await house.retention.prune()
    assert await house.on_shelf(waits)
    forgotten = await house.job(JobState.DONE, age=JOBS_KEPT + 1, delivery=Delivery.UNDELIVERABLE)
    await house.retention.prune()
    assert not await house.on_shelf(forgotten)


@pytest.mark.parametrize(
    ("state", "delivery"),
    [
        (JobState.RUNNING, Delivery.NONE),
        (JobState.DELIVERING, Delivery.PENDING),
        (JobState.FAILED, Delivery.PENDING),
    ],
)
async def test_what_is_still_to_be_delivered_is_never_removed(
    house: House, state: JobState, delivery: Delivery
) -> None:
    job = await house.job(state, age=JOBS_KEPT * 2, delivery=delivery)
    await house.retention.prune()
    assert await house.on_shelf(job)
    assert await house.store.get(job.id)


async def test_a_job_is_forgotten_after_a_month_with_its_files(house: House) -> None:
    old = [await house.job(JobState.DONE, age=JOBS_KEPT + 60) for _ in range(3)]
    recent = await house.job(JobState.DONE, age=JOBS_KEPT - 60)
    await house.retention.prune()
    assert [await house.store.get(job.id) for job in old] == [None] * 3
    assert await house.store.get(recent.id)
    assert not await house.on_shelf(old[0])


async def test_files_of_forgotten_jobs_go_however_long_results_are_kept(house: House) -> None:
    """The answer that said which jobs were forgotten may have been lost."""
    retention = Retention(store=house.store, results=house.results, clock=house.clock, results_kept=JOBS_KEPT * 2)
    old = await house.job(JobState.DONE, age=JOBS_KEPT + 60)
    kept = await house.job(JobState.DONE, age=JOBS_KEPT - 60)
    assert await house.store.prune(house.clock.now() - JOBS_KEPT, limit=9) == [old.id]
    await retention.prune()
    assert not await house.on_shelf(old)
    assert await house.on_shelf(kept)


async def test_files_of_nobody_go(house: House) -> None:
    await house.results.put("nobody", [OutputFile(REF, b"x")])
    then = house.clock.now() - KEPT - 1
    os.utime(house.folder / "nobody", (then, then))
    await house.retention.prune()
    assert await house.results.get("nobody") == []


async def test_a_disk_that_fails_does_not_end_the_janitor(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    retention = Retention(
        store=house.store,
        results=FileResultStore(tmp_path / "file", durable=False),
        clock=house.clock,
        results_kept=KEPT,
    )
    task = asyncio.create_task(retention.run())
    for _ in range(3):
        await house.clock.advance(INTERVAL)
        await asyncio.sleep(0.05)
    assert not task.done()
    assert caplog.text.count("cleanup failed") >= 2
    task.cancel()
