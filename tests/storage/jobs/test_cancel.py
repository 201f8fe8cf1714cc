"""Cancelling: at once while a job waits, by a wish while it runs, and never twice."""

import pytest

from bot.jobs.job import Delivery, JobState, StaleJobError
from bot.storage.jobs.repository import SqlJobRepository
from tests.storage.samples import (
    GPU,
    ME,
    claimed,
    delivering,
    done,
    in_line,
    job,
    running,
)

SOMEBODY = 99


@pytest.mark.parametrize("state", [JobState.HELD, JobState.QUEUED])
async def test_what_waits_is_cancelled_at_once_and_is_to_be_told(store: SqlJobRepository, state: JobState) -> None:
    await store.add(job(1, state=state))
    ended = await store.cancel("job1", SOMEBODY, 50.0)
    assert ended is not None
    assert (ended.state, ended.delivery, ended.finished, ended.cancel_by) == (
        JobState.CANCELLED,
        Delivery.PENDING,
        50.0,
        SOMEBODY,
    )
    assert await in_line(store) == []
    assert await store.count_waiting(7) == 0
    assert await store.recount() == []
    untold = await store.claim_due_delivery(ME, 50.0, 60.0)
    assert untold is not None
    assert untold.id == "job1"


async def test_who_was_about_to_admit_it_is_told_that_it_is_over(store: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD, holder=ME)
    await store.add(held)
    await store.cancel("job1", SOMEBODY, 50.0)
    with pytest.raises(StaleJobError):
        await store.queue(held)


async def test_for_what_runs_the_wish_is_kept_until_its_end(store: SqlJobRepository) -> None:
    taken = await running(store)
    asked = await store.cancel("job1", SOMEBODY, 50.0)
    assert asked is not None
    assert (asked.state, asked.cancel_by, asked.epoch) == (JobState.RUNNING, SOMEBODY, taken.epoch)
    assert list(await store.cancel_requests(GPU)) == [("job1", SOMEBODY)]
    assert list(await store.cancel_requests("http://another")) == []
    await store.transition(taken, JobState.CANCELLED, delivery=Delivery.PENDING)
    assert list(await store.cancel_requests(GPU)) == []


async def test_the_first_wish_counts(store: SqlJobRepository) -> None:
    await running(store)
    await store.cancel("job1", SOMEBODY, 50.0)
    again = await store.cancel("job1", 100, 60.0)
    assert again is not None
    assert again.cancel_by == SOMEBODY


async def test_what_has_a_result_is_delivered(store: SqlJobRepository) -> None:
    before = await delivering(store)
    assert await store.cancel("job1", SOMEBODY, 50.0) == before


async def test_what_has_ended_stays_as_it_is(store: SqlJobRepository) -> None:
    before = await done(store)
    assert await store.cancel("job1", SOMEBODY, 50.0) == before
    assert await store.cancel("no such job", SOMEBODY, 50.0) is None


async def test_a_job_that_the_owner_takes_back_is_no_longer_to_be_cancelled(store: SqlJobRepository) -> None:
    await store.add(job(1))
    ended = await store.cancel("job1", SOMEBODY, 50.0)
    assert ended is not None
    await store.transition(ended, JobState.QUEUED)
    assert (await claimed(store)).cancel_by == 0
    assert list(await store.cancel_requests(GPU)) == []
