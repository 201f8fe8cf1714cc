"""Changing a job: legal moves by whoever holds its newest epoch, and what follows from them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.i18n import _
from bot.jobs.job import TRANSITIONS, Delivery, FollowupMessage, Job, JobState, StaleJobError
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.jobs.transitions import GRACE
from tests.jobs.doubles import place, spec
from tests.jobs.doubles import requester as somebody
from tests.storage.engines import execute
from tests.storage.samples import (
    GPU,
    ME,
    delivering,
    done,
    failed,
    job,
    running,
)


async def ledger(store: SqlJobRepository) -> list[dict[str, Any]]:
    return await execute(store, "SELECT job_id, epoch, gpu_seconds FROM usage ORDER BY epoch")


async def test_a_move_sets_fields_and_returns_what_is_kept(store: SqlJobRepository) -> None:
    moved = await store.transition(
        await running(store), JobState.DELIVERING, delivery=Delivery.PENDING, note=_("Mind the gap."), finished=110.0
    )
    assert (moved.state, moved.delivery, str(moved.note), moved.finished) == (
        JobState.DELIVERING, Delivery.PENDING, "Mind the gap.", 110.0,
    )  # fmt: skip
    assert await store.get("job1") == moved


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize("to", list(JobState))
def test_only_legal_moves(state: JobState, to: JobState) -> None:
    current = job(1, state=state)
    if to in TRANSITIONS[state]:
        assert current.with_state(to).state is to
    else:
        with pytest.raises(StaleJobError):
            current.with_state(to)


async def test_a_move_that_is_not_legal_changes_nothing(store: SqlJobRepository) -> None:
    ended = await done(store)
    for state in JobState:
        with pytest.raises(StaleJobError):
            await store.transition(ended, state)
    assert await store.get("job1") == ended


async def test_a_field_that_a_job_has_not_is_a_fault(store: SqlJobRepository) -> None:
    entry = await running(store)
    with pytest.raises(TypeError):
        await store.transition(entry, JobState.DELIVERING, colour="red")
    with pytest.raises(TypeError):
        await store.update(entry, colour="red")


async def test_whoever_has_an_old_epoch_changes_nothing(store: SqlJobRepository) -> None:
    old = await running(store)
    new = await store.take_over("job1")
    assert new == replace(old, epoch=old.epoch + 1)
    for attempt in (
        store.transition(old, JobState.DELIVERING),
        store.transition(old, JobState.QUEUED),
        store.update(old, losses=1),
    ):
        with pytest.raises(StaleJobError):
            await attempt
    assert await store.get("job1") == new


async def test_whoever_has_an_old_state_changes_nothing(store: SqlJobRepository) -> None:
    old = await running(store)
    new = await store.transition(old, JobState.DELIVERING)
    with pytest.raises(StaleJobError):
        await store.transition(old, JobState.FAILED)
    with pytest.raises(StaleJobError):
        await store.update(old, losses=1)
    assert await store.get("job1") == new


async def test_a_job_that_is_gone_changes_nothing(store: SqlJobRepository) -> None:
    with pytest.raises(StaleJobError):
        await store.transition(job(1), JobState.FAILED)
    assert await store.take_over("job1") is None
    assert await store.renew_token("job1", "new", 1e12) is None


async def test_notes_of_different_fields_do_not_undo_each_other(store: SqlJobRepository) -> None:
    entry = await delivering(store)
    await store.update(entry, parts={1: FollowupMessage(5, 2.0)})
    both = await store.update(entry, told=True)
    assert (both.parts, both.told) == ({1: FollowupMessage(5, 2.0)}, True)


async def test_a_note_of_nothing_asks_whether_the_job_is_still_ours(store: SqlJobRepository) -> None:
    entry = await running(store)
    assert await store.update(entry) == entry
    await store.take_over(entry.id)
    with pytest.raises(StaleJobError):
        await store.update(entry)


async def test_of_two_moves_at_once_one_wins(store: SqlJobRepository) -> None:
    entry = await running(store)
    ends = await asyncio.gather(
        *(store.transition(entry, JobState.DELIVERING) for _turn in range(5)), return_exceptions=True
    )
    assert sum(isinstance(end, Job) for end in ends) == 1
    assert sum(isinstance(end, StaleJobError) for end in ends) == 4
    assert await store.recount() == []


async def test_every_field_can_be_noted(store: SqlJobRepository) -> None:
    await store.add(job(1))
    changes: dict[str, Any] = {
        "spec": spec(title="Other"), "requester": somebody(7, ), "place": replace(place(1), message_id=9),
        "holder": "x", "server": "y", "prompt_id": "z", "posted": True, "attempts": 2, "losses": 3,
        "not_before": 4.5, "started": 5.5, "finished": 6.5, "note": _("n"), "error": _("e"),
        "delivery": Delivery.UNDELIVERABLE, "tries": 7, "parts": {2: FollowupMessage(3, 4.0)}, "told": True,
    }  # fmt: skip
    assert await store.update(job(1), **changes) == replace(job(1), **changes)


# ------------------------------------------------------------------ the token


async def test_a_fresh_token_is_remembered_whoever_works_on_the_job(store: SqlJobRepository) -> None:
    entry = await running(store)
    fresh = await store.renew_token("job1", "fresh", entry.place.token_expires + 60)
    assert fresh is not None
    assert fresh.place.token == "fresh"
    moved = await store.transition(entry, JobState.DELIVERING, place=replace(entry.place, message_id=77))
    assert (moved.place.token, moved.place.message_id) == ("fresh", 77)
    assert moved.place.token_expires == entry.place.token_expires + 60


async def test_an_older_token_is_not_taken(store: SqlJobRepository) -> None:
    entry = await running(store)
    same = await store.renew_token("job1", "stale", entry.place.token_expires - 60)
    assert same == entry


async def test_a_newer_token_may_come_with_the_place(store: SqlJobRepository) -> None:
    entry = await running(store)
    expires = entry.place.token_expires + 60
    noted = await store.update(entry, place=replace(entry.place, token="fresh", token_expires=expires))
    assert (noted.place.token, noted.place.token_expires) == ("fresh", expires)


# ------------------------------------------------------------------ the ledger


async def test_a_run_is_charged_once(store: SqlJobRepository) -> None:
    entry = await store.update(await running(store), started=104.0)
    entry = await store.transition(entry, JobState.DELIVERING, finished=110.5)
    await store.transition(entry, JobState.DONE)
    assert await ledger(store) == [{"job_id": "job1", "epoch": 1, "gpu_seconds": 6.5}]


async def test_each_run_of_a_job_is_charged(store: SqlJobRepository) -> None:
    await failed(store)
    back = await store.get("job1")
    assert back is not None
    await store.transition(back, JobState.QUEUED)
    claim = await store.claim(GPU, ME, "prompt2", 200.0)
    assert claim is not None
    await store.transition(await store.update(claim, posted=True), JobState.FAILED, finished=203.0)
    assert [row["gpu_seconds"] for row in await ledger(store)] == [10.0, 3.0]


async def test_a_prompt_that_was_never_posted_costs_nothing(store: SqlJobRepository) -> None:
    await store.add(job(1))
    await store.acquire_leases([GPU], ME, 30)
    claim = await store.claim(GPU, ME, "prompt1", 100.0)
    assert claim is not None
    await store.transition(claim, JobState.FAILED, finished=110.0)
    assert await ledger(store) == []


# ------------------------------------------------------------------ the end


async def test_every_end_has_a_time(store: SqlJobRepository) -> None:
    ended = await store.transition(await running(store), JobState.FAILED)
    assert ended.finished > 1e9
    delivered = await done(store, 2)
    assert delivered.finished == 110.0, "the end of the run is kept"


async def test_whoever_ends_a_job_has_a_while_to_tell(store: SqlJobRepository) -> None:
    entry = await delivering(store)
    assert entry.not_before == 110.0 + GRACE
    assert await store.claim_due_delivery(ME, 110.0, 400.0) is None
    explicit = await failed(store, 2, delivery=Delivery.PENDING, not_before=5.0)
    assert explicit.not_before == 5.0
