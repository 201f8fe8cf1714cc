"""The store: legal moves only, one job per interaction, first come first served."""

from dataclasses import replace

import pytest

from bot.jobs.job import MOVES, IllegalMoveError, Job, JobState
from bot.jobs.store import KEPT_FINISHED, DuplicateJobError, MemoryStore
from bot.workflow.execution import InputFile
from bot.workflow.spec import Target, Upload
from tests.jobs.doubles import place, requester, spec


def job(number: int, user_id: int = 7) -> Job:
    return Job(id=f"job{number}", spec=spec(), requester=requester(user_id), place=place(number), created=float(number))


async def test_jobs_are_claimed_in_the_order_they_came() -> None:
    store = MemoryStore()
    for number in (1, 2, 3):
        await store.add(job(number))
    claimed = [await store.claim("gpu1", f"prompt{number}", 5.0) for number in (1, 2, 3)]
    assert [entry.id for entry in claimed if entry] == ["job1", "job2", "job3"]
    assert claimed[0] is not None
    assert (claimed[0].state, claimed[0].prompt_id, claimed[0].attempts) == (JobState.RUNNING, "prompt1", 1)
    assert await store.claim("gpu1", "prompt4", 5.0) is None


async def test_a_repeated_interaction_is_refused() -> None:
    store = MemoryStore()
    await store.add(job(1))
    with pytest.raises(DuplicateJobError):
        await store.add(job(1))


async def test_jobs_given_back_are_next_in_their_old_order() -> None:
    store = MemoryStore()
    for number in (1, 2, 3):
        await store.add(job(number))
    claimed = [await store.claim("gpu1", "prompt", 5.0) for _ in range(2)]
    for entry in claimed:
        assert entry is not None
        await store.move(entry, JobState.QUEUED)
    assert [entry.id for entry in await store.queued()] == ["job1", "job2", "job3"]


async def test_an_ended_job_keeps_no_pictures() -> None:
    store = MemoryStore()
    upload = Upload(InputFile("cc_1.png", bytes(1000), 1, 1), (Target("3", "image"),))
    await store.add(replace(job(1), spec=spec(uploads=(upload,))))
    claimed = await store.claim("gpu1", "prompt", 5.0)
    assert claimed is not None
    assert claimed.spec.uploads
    await store.move(claimed, JobState.FAILED)
    ended = await store.get("job1")
    assert ended is not None
    assert not ended.spec.uploads


async def test_an_outdated_job_moves_nothing() -> None:
    store = MemoryStore()
    await store.add(job(1))
    first = await store.claim("gpu1", "prompt", 5.0)
    assert first is not None
    await store.move(first, JobState.QUEUED)
    await store.claim("gpu2", "other", 6.0)
    with pytest.raises(IllegalMoveError):
        await store.move(first, JobState.DELIVERING)


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize("to", list(JobState))
def test_only_legal_moves(state: JobState, to: JobState) -> None:
    current = Job(id="x", spec=spec(), requester=requester(), place=place(), created=0.0, state=state)
    if to in MOVES[state]:
        assert current.moved(to).state is to
    else:
        with pytest.raises(IllegalMoveError):
            current.moved(to)


async def test_waiting_jobs_are_counted_for_each_member() -> None:
    store = MemoryStore()
    for number, user in enumerate((7, 7, 8), start=1):
        await store.add(job(number, user))
    assert await store.count_waiting(7) == 2
    await store.claim("gpu1", "prompt", 5.0)
    assert (await store.count_waiting(7), await store.count_waiting(8), await store.count_waiting(9)) == (1, 1, 0)


async def test_finished_jobs_are_forgotten_in_time() -> None:
    store = MemoryStore()
    for number in range(KEPT_FINISHED + 10):
        await store.add(job(number))
        claimed = await store.claim("gpu1", "prompt", 5.0)
        assert claimed is not None
        await store.move(claimed, JobState.FAILED)
    assert await store.get("job0") is None
    assert await store.get(f"job{KEPT_FINISHED + 9}") is not None
