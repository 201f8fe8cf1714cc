"""The line: who is next, and that nobody gets a job twice."""

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.i18n import _
from bot.jobs.job import Delivery, JobState
from bot.storage.jobs import claim, recovery
from bot.storage.jobs.repository import SqlJobRepository
from tests.storage.engines import Database, empty, execute
from tests.storage.samples import (
    GPU,
    ME,
    TTL,
    YOU,
    claimed,
    in_line,
    job,
    running,
)


async def test_jobs_are_claimed_in_the_order_they_came(store: SqlJobRepository) -> None:
    for number in (1, 2, 3):
        await store.add(job(number))
    ids = [(await claimed(store, f"prompt{number}")).id for number in (1, 2, 3)]
    assert ids == ["job1", "job2", "job3"]
    assert await store.claim(GPU, ME, "prompt4", 100.0) is None


async def test_a_claim_begins_a_new_run(store: SqlJobRepository) -> None:
    await store.add(job(1))
    taken = await claimed(store)
    assert (taken.state, taken.server, taken.prompt_id) == (JobState.RUNNING, GPU, "prompt1")
    assert (taken.epoch, taken.attempts, taken.posted, taken.started) == (1, 1, False, 100.0)
    assert await store.get("job1") == taken


async def test_a_smaller_priority_goes_first(store: SqlJobRepository) -> None:
    for number in (1, 2):
        await store.add(job(number))
    await execute(store, "UPDATE job SET priority = -1 WHERE id = 'job2'")
    assert [each.job_id for each in (await store.snapshot(5)).waiting] == ["job2", "job1"]
    assert (await claimed(store)).id == "job2"


async def test_a_job_that_comes_back_has_its_old_place(store: SqlJobRepository) -> None:
    for number in (1, 2, 3):
        await store.add(job(number))
    taken = [await claimed(store, f"prompt{number}") for number in (1, 2)]
    for entry in reversed(taken):
        await store.transition(entry, JobState.QUEUED)
    assert await in_line(store) == ["job1", "job2", "job3"]


async def test_a_run_that_begins_again_is_a_new_one(store: SqlJobRepository) -> None:
    first = await running(store)
    back = await store.transition(first, JobState.QUEUED, losses=first.losses + 1)
    assert (back.epoch, back.losses, back.finished, back.delivery) == (2, 1, 0.0, Delivery.NONE)
    second = await claimed(store, "prompt2")
    assert (second.epoch, second.attempts, second.prompt_id, second.posted) == (3, 2, "prompt2", False)


async def test_nobody_takes_a_job_before_its_time(store: SqlJobRepository) -> None:
    await store.add(job(1, not_before=150.0))
    await store.add(job(2))
    assert (await claimed(store)).id == "job2"
    assert await store.claim(GPU, ME, "prompt2", 149.0) is None
    assert await in_line(store) == ["job1"]
    due = await store.claim(GPU, ME, "prompt2", 150.0)
    assert due is not None
    assert due.not_before == 0.0


async def test_only_who_holds_the_server_claims_for_it(store: SqlJobRepository) -> None:
    await store.add(job(1))
    assert await store.claim(GPU, ME, "prompt1", 100.0) is None
    await store.acquire_leases([GPU], YOU, TTL)
    assert await store.claim(GPU, ME, "prompt1", 100.0) is None
    assert await in_line(store) == ["job1"]
    assert await store.claim(GPU, YOU, "prompt1", 100.0) is not None


async def test_asking_again_with_one_prompt_id_gives_the_same_job(store: SqlJobRepository) -> None:
    for number in (1, 2):
        await store.add(job(number))
    first = await claimed(store)
    assert await store.claim(GPU, ME, "prompt1", 200.0) == first
    assert await in_line(store) == ["job2"]


async def test_claims_at_the_same_time_get_different_jobs(database: Database, store: SqlJobRepository) -> None:
    other = await database.open()
    await store.acquire_leases([GPU], ME, TTL)
    for number in range(20):
        await store.add(job(number + 1))
    taken = await asyncio.gather(
        *(
            each.claim(GPU, ME, f"prompt{number}-{turn}", 100.0)
            for number, each in enumerate((store, other))
            for turn in range(12)
        )
    )
    ids = [entry.id for entry in taken if entry is not None]
    assert len(ids) == len(set(ids)) == 20
    assert await store.recount() == []


async def test_a_line_that_changes_while_one_looks_is_looked_at_again(postgres_url: str) -> None:
    """A claim sees the line as it was when it began, here before it had to wait for the lease."""
    database = Database(postgres_url)
    store = await database.open()
    await empty(store)
    await store.acquire_leases([GPU], ME, TTL)
    await store.add(job(1))
    async with store.engine._engine.begin() as other:  # type: ignore[attr-defined]
        await other.execute(sa.text("SELECT owner FROM server FOR UPDATE"))
        claiming = asyncio.create_task(store.claim(GPU, ME, "prompt1", 1e9))
        await asyncio.sleep(0.1)
        await store.transition(job(1), JobState.CANCELLED)
        await store.add(job(2))
    taken = await claiming
    assert taken is not None
    assert taken.id == "job2"
    assert await store.recount() == []
    await database.close()


async def test_a_plan_made_for_an_empty_line_will_do_for_a_long_one(postgres_url: str) -> None:
    """Plans are kept: neither a claim nor the search for deliveries may read more of the table as it grows."""
    database = Database(postgres_url)
    store = await database.open()
    await empty(store)
    await store.acquire_leases([GPU], ME, TTL)
    assert await store.claim(GPU, ME, "prompt0", 1e9) is None
    assert await store.claim_due_delivery(ME, 1e9, 2e9) is None
    await store.add(job(1))
    same = (
        "account_id, user_id, requester, application_id, interaction_token, channel_id, message_id, upload_limit, spec"
    )
    for state, delivery, first in (("queued", "none", 10_000), ("done", "pending", 20_000)):
        fill = f"INSERT INTO job (id, interaction_id, not_before, state, delivery, {same}) SELECT 'id' || n, n, n, "
        others = f"'{state}', '{delivery}', {same} FROM job, generate_series({first}, {first + 2000}) AS n"
        await execute(store, f"{fill}{others} WHERE id = 'job1'")

    def work(conn: sa.Connection, _again: bool) -> int:
        assert claim.claim(conn, 1.0, GPU, ME, "prompt1", 1e9) is not None
        assert recovery.claim_due_delivery(conn, 1.0, ME, 1e9, 2e9) is not None
        read = "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = 'job'::regclass"
        return int(conn.scalar(sa.text(read)) or 0)

    assert 0 < await store.engine.write(work) < 100
    await database.close()


async def test_whoever_adds_a_job_finds_one_however_many_claim(database: Database, store: SqlJobRepository) -> None:
    """The line is nearly empty all the time, so that each is after the job of another."""
    both = [store, await database.open()]
    await store.acquire_leases([GPU], ME, TTL)

    async def lane(lane: int) -> None:
        for turn in range(60):
            number = lane * 1000 + turn
            await both[lane % 2].add(job(number, user_id=number))
            assert await both[lane % 2].claim(GPU, ME, f"prompt{number}", 1e9) is not None

    await asyncio.gather(*(lane(number) for number in range(1, 6)))
    assert await in_line(store) == []


async def test_the_counters_are_right_however_many_change_them_at_once(
    database: Database, store: SqlJobRepository
) -> None:
    """One account, two instances, and the corrections in between: each change must add to the newest counters."""
    others = [store, await database.open()]
    await store.acquire_leases([GPU], ME, TTL)

    async def life(number: int) -> None:
        mine = others[number % 2]
        await mine.add(job(number))
        taken = await mine.claim(GPU, ME, f"prompt{number}", 1e9)
        if taken is not None:
            taken = await mine.update(taken, posted=True)
            await mine.transition(taken, JobState.QUEUED if number % 3 else JobState.FAILED)

    async def correct() -> None:
        for _turn in range(5):
            assert await others[1].recount() == []

    await asyncio.gather(correct(), *(life(number) for number in range(1, 61)))
    assert await store.recount() == []
    length = (await store.count())[JobState.QUEUED]
    assert await execute(store, "SELECT waiting, running FROM account") == [{"waiting": length, "running": 0}]


async def test_a_run_that_cannot_be_read_holds_up_nobody(store: SqlJobRepository) -> None:
    await store.add(job(1))
    await store.add(job(2))
    await execute(store, "UPDATE job SET spec = '{\"workflow\": ' WHERE id = 'job1'")
    assert (await claimed(store)).id == "job2"
    broken = await store.get("job1")
    assert broken is not None
    assert (broken.state, broken.delivery) == (JobState.FAILED, Delivery.PENDING)
    assert "run the command again" in str(broken.error)
    assert await store.recount() == []


async def test_members_waiting_jobs_are_counted(store: SqlJobRepository) -> None:
    await store.add(job(1, state=JobState.HELD))
    await store.add(job(2))
    await store.add(job(3, user_id=8))
    assert [await store.count_waiting(user) for user in (7, 8, 9)] == [2, 1, 0]
    await claimed(store)
    assert [await store.count_waiting(user) for user in (7, 8, 9)] == [1, 1, 0]


async def test_a_job_taken_back_from_a_bad_end_has_no_end(store: SqlJobRepository) -> None:
    ended = await store.transition(
        await running(store), JobState.FAILED, error=_("It broke."), delivery=Delivery.PENDING, finished=110.0
    )
    ended = await store.update(ended, tries=3)
    back = await store.transition(ended, JobState.QUEUED)
    expected = replace(job(1), epoch=2, attempts=1, server=GPU, prompt_id="prompt1", posted=True, started=100.0)
    assert back == expected
    assert await store.claim_due_delivery(ME, 1e9, 2e9) is None
    assert (await claimed(store, "prompt2")).id == "job1"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_long_line_is_not_read_for_each_claim(store: SqlJobRepository) -> None:
    await store.acquire_leases([GPU], ME, TTL)
    statements: list[str] = []

    def listen(conn: sa.Connection, _again: bool) -> None:
        conn.connection.driver_connection.set_trace_callback(statements.append)  # type: ignore[union-attr]

    await store.engine.write(listen)
    await store.add(job(1))
    assert await store.claim(GPU, ME, "prompt1", 100.0, loaded="m") is not None
    await store.claim_due_delivery(ME, 0.0, 1.0)
    found = [each for each in statements if "job" in each and each.startswith(("SELECT", "UPDATE"))]
    assert len(found) >= 3
    for statement in found:
        explain = f"EXPLAIN QUERY PLAN {statement}".replace(":", r"\:")
        plan = [str(row["detail"]) for row in await execute(store, explain)]
        assert not [step for step in plan if step.startswith("SCAN") and step.split()[1] in {"job", "account"}], plan
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan, plan
