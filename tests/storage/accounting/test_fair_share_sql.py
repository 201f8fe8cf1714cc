"""What accounts and guilds have used, in SQL: the same numbers as those of the rule, and charged when it is due."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.jobs.job import Delivery, JobState
from bot.policy.fair_share import HALF_LIFE, Share
from bot.policy.terms import QueueTerms
from bot.storage.accounting import fair_share_sql
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.schema.tables import account as accounts
from bot.storage.schema.tables import guild as guilds
from bot.workflow.run.events import OutputRef
from tests.clocks import ManualClock
from tests.storage.engines import Database, empty, execute
from tests.storage.samples import (
    GPU,
    ME,
    claimed,
    job,
    running,
)

START = 1.7e9
SECONDS = (
    st.floats(-1e4, 1e4, allow_subnormal=False)
    | st.sampled_from([0.0, 1e-12, -1e-12, 1e-300, 1e-9, 1e14, 1e15, -1e15, 3600.0])
    | st.floats(0, 1e15, allow_subnormal=False)
)
PAUSES = st.floats(0, 1e5) | st.sampled_from([0.0, HALF_LIFE, 1e7, 1e9, -5.0])
WEIGHTS = st.sampled_from([1.0, 2.0, 0.5, 0.0, 1e-9, 100.0, 1e9])
HISTORY = st.lists(st.tuples(SECONDS, PAUSES), min_size=1, max_size=12)


def charge(conn: sa.Connection, table: sa.Table, seconds: float, now: float) -> Any:
    """Charge the only row of a table and return it."""
    owed = sa.bindparam("seconds", type_=sa.Double[float])
    weight = table.c.weight if "weight" in table.c else None
    change = (
        sa.update(table)
        .values(fair_share_sql.charged(table, owed, weight))
        .returning(table.c.used, table.c.used_at, table.c.score)
    )
    return conn.execute(change, {"seconds": seconds, "now": now}).one()


def agrees(real: float, expected: float) -> bool:
    return real == pytest.approx(expected, rel=1e-9, abs=0.0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_database_counts_as_the_rule_does(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}" if engine == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(HISTORY, WEIGHTS)
    @example([(30.0, 0.0), (-30.0, 0.0)], 1.0)
    @example([(2e-9, 0.0), (0.0, 1e9), (1.0, 1e9)], 1.0)
    @example([(1e15, 0.0), (1e15, 1.0)], 1e-9)
    def compare(history: list[tuple[float, float]], weight: float) -> None:
        runner.run(empty(store))
        runner.run(store.add(job(1), QueueTerms(weight=weight)))
        runner.run(store.engine.write(lambda conn, _again: play(conn, history, weight)))

    def play(conn: sa.Connection, history: list[tuple[float, float]], weight: float) -> None:
        for table, divisor in ((accounts, weight), (guilds, 1.0)):
            now, share = START, Share()
            for seconds, pause in history:
                now += pause
                share = share.charged(seconds, weight=divisor, now=now)
                used, used_at, score = charge(conn, table, seconds, now)
                assert agrees(used, share.used), (table.name, used, share)
                assert (used_at, agrees(score, share.score)) == (now, True), (score, share.score)
                share = Share(used, used_at)  # differences must not add up

    with asyncio.Runner() as runner:
        store = runner.run(database.open())
        try:
            compare()
        finally:
            runner.run(database.close())


# ------------------------------------------------------------------ what is charged


async def used(store: SqlJobRepository) -> tuple[float, float]:
    """Return what the only account, and the only guild, have used."""
    (account,), (guild,) = [
        await execute(store, f"SELECT used FROM {table}") for table in ("account", "guild")  # noqa: S608
    ]  # fmt: skip
    return account["used"], guild["used"]


@pytest.fixture
async def timed(database: Database) -> tuple[SqlJobRepository, ManualClock]:
    """A store with a clock of its own."""
    clock = ManualClock()
    store = await database.open(clock=clock.now)
    return store, clock


async def begun(store: SqlJobRepository, clock: ManualClock, number: int = 1) -> Any:
    """Take in a job that is expected to take 40 seconds, of a member of weight 2, and give it to a server."""
    await store.acquire_leases([GPU], ME, 1e9)
    await store.add(job(number, estimate=40.0), QueueTerms(weight=2.0))
    taken = await store.claim(GPU, ME, f"prompt{number}", clock.now())
    assert taken is not None
    return await store.update(taken, posted=True)


async def test_a_claim_charges_what_is_expected(timed: tuple[SqlJobRepository, ManualClock]) -> None:
    store, clock = timed
    taken = await begun(store, clock)
    assert await used(store) == (20.0, 40.0)
    assert taken.estimate == 40.0
    assert await execute(store, "SELECT charged_at AS at FROM job") == [{"at": clock.now()}]


@pytest.mark.parametrize("state", [JobState.DELIVERING, JobState.FAILED, JobState.CANCELLED])
async def test_the_end_of_a_run_charges_what_it_has_taken(
    timed: tuple[SqlJobRepository, ManualClock], state: JobState
) -> None:
    store, clock = timed
    taken = await begun(store, clock)
    await clock.advance(100.0)
    await store.transition(taken, state, delivery=Delivery.PENDING, finished=clock.now())
    account, guild = await used(store)
    assert (account, guild) == (pytest.approx(50.0), pytest.approx(100.0))
    assert await execute(store, "SELECT cost_used AS used FROM job") == [{"used": 100.0}]


async def test_a_server_that_fails_costs_its_member_nothing(timed: tuple[SqlJobRepository, ManualClock]) -> None:
    store, clock = timed
    taken = await begun(store, clock)
    await clock.advance(5000.0)  # most of the charge has faded by then
    await store.transition(taken, JobState.QUEUED)
    account, guild = await used(store)
    assert (account, guild) == (0.0, 0.0)
    assert await execute(store, "SELECT waits_since AS at FROM account") == [{"at": clock.now() - 5000.0}]


async def test_an_end_may_say_when_the_run_began(timed: tuple[SqlJobRepository, ManualClock]) -> None:
    store, clock = timed
    taken = await store.update(await begun(store, clock), started=0.0)
    await clock.advance(100.0)
    await store.transition(taken, JobState.DELIVERING, started=clock.now() - 30.0)
    assert await used(store) == (pytest.approx(15.0), pytest.approx(30.0))
    assert await execute(store, "SELECT gpu_seconds FROM usage") == [{"gpu_seconds": 30.0}]


async def test_a_prompt_that_was_never_posted_costs_nothing(timed: tuple[SqlJobRepository, ManualClock]) -> None:
    store, clock = timed
    taken = await store.update(await begun(store, clock), posted=False)
    await clock.advance(100.0)
    await store.transition(taken, JobState.FAILED, delivery=Delivery.PENDING)
    assert await used(store) == (0.0, 0.0)


async def test_cancelling_what_waits_costs_nothing(timed: tuple[SqlJobRepository, ManualClock]) -> None:
    store, clock = timed
    await store.add(job(1, estimate=40.0))
    await store.cancel("job1", 7, clock.now())
    assert await used(store) == (0.0, 0.0)


# ------------------------------------------------------------------ the ledger

PICTURES = tuple(OutputRef("9", f"{number}.png", "", "output") for number in range(3))


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        (JobState.DELIVERING, True),
        (JobState.CANCELLED, True),
        (JobState.FAILED, False),
        (JobState.QUEUED, False),
    ],
)
async def test_the_ledger_says_what_a_quota_counts(store: SqlJobRepository, state: JobState, counted: bool) -> None:
    pictures = PICTURES if state is JobState.DELIVERING else ()
    await store.transition(await running(store), state, **({"outputs": pictures} if pictures else {}))
    columns = "pictures, counted, workflow, server, user_id"
    (row,) = await execute(store, f"SELECT {columns} FROM usage")  # noqa: S608
    assert row == {"pictures": len(pictures), "counted": counted, "workflow": "imagine", "server": GPU, "user_id": 7}


async def test_a_result_that_cannot_be_shown_is_forgiven(store: SqlJobRepository) -> None:
    made = await store.transition(await running(store), JobState.DELIVERING, outputs=PICTURES)
    await store.transition(made, JobState.FAILED)
    assert await execute(store, "SELECT counted FROM usage") == [{"counted": False}]


async def test_past_runs_are_those_that_brought_something(store: SqlJobRepository) -> None:
    for number, seconds in ((1, 10.0), (2, 20.0), (3, 30.0)):
        entry = await running(store, number)
        await store.transition(entry, JobState.DELIVERING, outputs=PICTURES, finished=entry.started + seconds)
    await store.transition(await running(store, 4), JobState.FAILED)
    assert [(run.workflow, run.server, run.seconds) for run in await store.past_runs(2)] == [
        ("imagine", GPU, 20.0), ("imagine", GPU, 30.0),
    ]  # fmt: skip


async def test_an_account_that_was_lost_is_made_again(store: SqlJobRepository) -> None:
    await store.add(job(1))
    await execute(store, "DELETE FROM account")
    await execute(store, "DELETE FROM guild")
    assert await store.recount() != []
    assert await store.recount() == []
    assert (await claimed(store)).id == "job1"
    assert await execute(store, "SELECT guild_key FROM guild") == [{"guild_key": "4"}]
