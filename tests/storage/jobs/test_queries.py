"""Looking at jobs, forgetting them, and keeping the counters honest."""

from dataclasses import replace

from bot.jobs.job import Delivery, JobState, Requester
from bot.jobs.repository import Drift
from bot.storage.jobs.repository import SqlJobRepository
from tests.jobs.doubles import place
from tests.storage.engines import execute
from tests.storage.samples import (
    delivering,
    done,
    failed,
    job,
    running,
    with_picture,
)


async def test_jobs_are_found_by_how_their_id_begins(store: SqlJobRepository) -> None:
    for number in (1, 10, 11, 2):
        await store.add(job(number))
    assert [entry.id for entry in await store.find("job1")] == ["job11", "job10", "job1"]
    assert await store.find("jo_") == []
    for number in range(20, 35):
        await store.add(job(number))
    assert len(await store.find("")) == 10


async def test_a_members_history_is_newest_first(store: SqlJobRepository) -> None:
    for number in range(1, 6):
        await store.add(job(number, user_id=7 if number % 2 else 8))
    assert [entry.id for entry in await store.history(7, limit=2)] == ["job5", "job3"]
    assert [entry.id for entry in await store.history(7, limit=2, offset=2)] == ["job1"]
    assert await store.history(9, limit=2) == []


async def test_jobs_are_browsed_by_state(store: SqlJobRepository) -> None:
    await failed(store, 1)
    await delivering(store, 2)
    await store.add(job(3))
    assert [entry.id for entry in await store.browse([], limit=2)] == ["job3", "job2"]
    assert [entry.id for entry in await store.browse([JobState.FAILED, JobState.QUEUED], limit=9)] == ["job3", "job1"]
    counted = await store.count()
    assert {state for state, number in counted.items() if number} == {
        JobState.FAILED, JobState.DELIVERING, JobState.QUEUED,
    }  # fmt: skip
    assert set(counted) == set(JobState)


async def test_a_job_in_an_unknown_state_is_left_out(store: SqlJobRepository) -> None:
    await store.add(job(1))
    await store.add(job(2))
    await execute(store, "UPDATE job SET state = 'odd' WHERE id = 'job1'")
    assert [entry.id for entry in await store.browse([], limit=9)] == ["job2"]


async def test_columns_that_cannot_be_read_cost_no_more_than_they_held(store: SqlJobRepository) -> None:
    entry = await delivering(store)
    broken = dict.fromkeys(("outputs", "note", "error", "parts", "spec", "requester"), "no JSON")
    await execute(store, f"UPDATE job SET {', '.join(f'{name} = :{name}' for name in broken)}", **broken)  # noqa: S608
    kept = await store.get("job1")
    assert kept is not None
    assert (kept.place, kept.state, kept.outputs) == (entry.place, entry.state, ())
    assert kept.requester == Requester(7, "?")


# ------------------------------------------------------------------ forgetting


async def test_old_jobs_that_are_told_are_forgotten(store: SqlJobRepository) -> None:
    await done(store, 1)
    await failed(store, 2, delivery=Delivery.UNDELIVERABLE)
    await failed(store, 3, delivery=Delivery.PENDING)
    await delivering(store, 4)
    await running(store, 5, spec=with_picture())
    await store.transition(await running(store, 6, spec=with_picture()), JobState.CANCELLED, finished=99.0)
    await store.add(job(7))
    assert await store.prune(99.0, limit=9) == []
    assert await store.prune(111.0, limit=2) == ["job6", "job1"]
    assert await store.prune(111.0, limit=9) == ["job2"]
    assert await store.get("job6") is None
    assert await execute(store, "SELECT job_id FROM input_file") == [{"job_id": "job5"}]
    assert len(await execute(store, "SELECT job_id FROM usage")) == 5, "the ledger is kept"


# ------------------------------------------------------------------ counters


async def counters(store: SqlJobRepository) -> list[tuple[str, int, int, int]]:
    rows = await execute(store, "SELECT account_id, waiting, running, ready FROM account ORDER BY account_id")
    return [(row["account_id"], row["waiting"], row["running"], row["ready"]) for row in rows]


async def test_accounts_count_what_waits_and_what_runs(store: SqlJobRepository) -> None:
    await store.add(job(1))
    await store.add(job(2, user_id=8))
    direct = replace(place(3), guild_id=None)
    await store.add(job(3, user_id=8, place=direct))
    held = job(4, state=JobState.HELD)
    await store.add(held)
    assert await counters(store) == [("4:7", 1, 0, 1), ("4:8", 1, 0, 1), ("@me:8", 1, 0, 1)]
    entry = await running(store, 5)
    assert entry.id == "job1"
    assert (await counters(store))[0] == ("4:7", 1, 1, 1)
    await store.transition(entry, JobState.DELIVERING)
    await store.queue(held)
    assert (await counters(store))[0] == ("4:7", 2, 0, 1)


async def test_a_member_at_its_cap_is_not_ready(store: SqlJobRepository) -> None:
    await store.add(job(1))
    await store.add(job(2))
    await execute(store, "UPDATE account SET cap = 1")
    entry = await running(store, 3)
    assert await counters(store) == [("4:7", 2, 1, 0)]
    await store.transition(entry, JobState.QUEUED)
    assert await counters(store) == [("4:7", 3, 0, 1)]


async def test_counters_that_drifted_are_corrected(store: SqlJobRepository) -> None:
    await running(store, 1)
    await store.add(job(2, user_id=8))
    assert await store.recount() == []
    await execute(store, "UPDATE account SET waiting = 5, running = 0, ready = 1 WHERE user_id = 7")
    await execute(store, "UPDATE account SET waiting = -1, ready = 0 WHERE user_id = 8")
    assert await store.recount() == [
        Drift("4:7", "waiting", 5, 0), Drift("4:7", "running", 0, 1), Drift("4:7", "ready", 1, 0),
        Drift("4:8", "waiting", -1, 1), Drift("4:8", "ready", 0, 1),
    ]  # fmt: skip
    assert await counters(store) == [("4:7", 0, 1, 0), ("4:8", 1, 0, 1)]
    assert await store.recount() == []


# ------------------------------------------------------------------ the log


async def test_events_are_remembered(store: SqlJobRepository) -> None:
    await store.record_event("stopped", now=100.0)
    await store.record_event("requeued", job_id="job1", actor="owner", now=200.0)
    assert await store.has_event_since("stopped", 100.0)
    assert not await store.has_event_since("stopped", 100.5)
    assert not await store.has_event_since("started", 0.0)
    assert await execute(store, "SELECT what, job_id, actor, at FROM event WHERE at = 200") == [
        {"what": "requeued", "job_id": "job1", "actor": "owner", "at": 200.0}
    ]
