"""Taking jobs in: once for each interaction, with their pictures, and into the line when all is known."""

from dataclasses import replace

import pytest

from bot.jobs.job import JobState, StaleJobError
from bot.jobs.repository import DuplicateJobError
from bot.storage.jobs.repository import SqlJobRepository
from tests.jobs.doubles import place, spec
from tests.storage.samples import (
    claimed,
    done,
    in_line,
    job,
    running,
    with_picture,
)


async def test_a_job_is_kept_as_it_was_handed_in(store: SqlJobRepository) -> None:
    await store.add(job(1))
    assert await store.get("job1") == job(1)
    assert await store.get("job2") is None


async def test_a_second_job_for_one_interaction_is_refused(store: SqlJobRepository) -> None:
    await store.add(job(1))
    with pytest.raises(DuplicateJobError):
        await store.add(job(2, place=place(1)))
    assert await in_line(store) == ["job1"]


async def test_a_second_interaction_under_one_id_is_refused(store: SqlJobRepository) -> None:
    await store.add(job(1))
    with pytest.raises(DuplicateJobError):
        await store.add(job(1, place=place(2)))


async def test_the_very_same_job_again_changes_nothing(store: SqlJobRepository) -> None:
    await store.add(job(1))
    claim = await claimed(store)
    await store.add(job(1))
    assert await store.get("job1") == claim
    assert await store.recount() == []


async def test_a_held_job_is_not_in_line_until_it_is_admitted(store: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD, holder="me", spec=spec(graph={}), place=replace(place(1), message_id=0))
    await store.add(held)
    await store.add(job(2))
    assert await in_line(store) == ["job2"]
    admitted = await store.queue(replace(held, spec=with_picture(), place=replace(place(1), message_id=33)))
    assert (admitted.state, admitted.holder, admitted.place.message_id) == (JobState.QUEUED, "", 33)
    assert await in_line(store) == ["job1", "job2"], "its place is that of its request"
    assert await store.recount() == []


async def test_a_job_is_admitted_once(store: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD)
    await store.add(held)
    await store.queue(held)
    with pytest.raises(StaleJobError):
        await store.queue(held)


async def test_a_held_job_that_was_taken_over_is_not_admitted(store: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD, holder="me")
    await store.add(held)
    await store.take_over("job1")
    with pytest.raises(StaleJobError):
        await store.queue(held)
    assert await in_line(store) == []


async def test_pictures_are_brought_only_when_asked_for(store: SqlJobRepository) -> None:
    await store.add(job(1, spec=with_picture(bytes(range(256)))))
    claim = await claimed(store)
    assert claim.spec.uploads[0].file.data == b""
    assert (await store.with_inputs(claim)).spec == with_picture(bytes(range(256)))


async def test_pictures_known_at_admission_are_kept(store: SqlJobRepository) -> None:
    held = job(1, state=JobState.HELD)
    await store.add(held)
    admitted = await store.queue(replace(held, spec=with_picture()))
    assert (await store.with_inputs(admitted)).spec == with_picture()


async def test_pictures_stay_until_a_job_ends_well(store: SqlJobRepository) -> None:
    lost = await store.transition(await running(store, spec=with_picture()), JobState.QUEUED)
    assert (await store.with_inputs(lost)).spec == with_picture()
    failed = await store.transition(await claimed(store), JobState.FAILED)
    assert (await store.with_inputs(failed)).spec == with_picture(), "the owner may let it run again"
    again = await store.transition(failed, JobState.QUEUED)
    delivering = await store.transition(await claimed(store), JobState.DELIVERING)
    ended = await store.transition(delivering, JobState.DONE)
    assert ended.id == again.id
    assert (await store.with_inputs(ended)).spec.uploads[0].file.data == b""


async def test_what_a_member_may_paste_comes_back_unchanged(store: SqlJobRepository) -> None:
    odd = "zero \x00, half a pair \ud800, emoji 🙂, '; DROP TABLE job; --"
    await store.add(job(1, spec=spec(values={"prompt": odd})))
    kept = await store.get("job1")
    assert kept is not None
    assert kept.spec.values == {"prompt": odd}


async def test_a_finished_interaction_is_not_run_again(store: SqlJobRepository) -> None:
    await done(store, 1)
    with pytest.raises(DuplicateJobError):
        await store.add(job(2, place=place(1)))
