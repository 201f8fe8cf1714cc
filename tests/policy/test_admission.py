"""Admission: who may have one more, and on which terms, against a real database."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from bot.errors import LimitError
from bot.jobs.job import Job, JobState
from bot.policy.admission import RULES_CACHE_SECONDS, Admission, Requester
from bot.policy.limits import Limits
from bot.policy.role_rules import RoleRule
from bot.policy.terms import QueueTerms
from bot.storage.database import Database, open_database
from tests.clocks import ManualClock, settle
from tests.jobs.doubles import place, requester, spec

GUILD = place().guild_id or 0
PATRON = 50
ANN = Requester(requester().user_id, GUILD, frozenset({PATRON}))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(clock: ManualClock) -> AsyncGenerator[Database]:
    database = await open_database("sqlite:///:memory:", clock=clock.now)
    yield database
    await database.close()


@pytest.fixture
def admission(database: Database, clock: ManualClock) -> Admission:
    return Admission(
        store=database.jobs,
        policies=database.policies,
        expect=lambda _workflow: 60.0,
        clock=clock,
        limits=Limits(max_waiting_per_member=3),
    )


def waiting(number: int, clock: ManualClock) -> Job:
    entry = Job(
        id=f"job-{number}", spec=spec(), requester=requester(), place=place(number), created=clock.now(), estimate=60.0
    )
    return replace(entry, state=JobState.QUEUED)


async def test_without_rules_everybody_stands_in_the_line_alike(admission: Admission) -> None:
    entry = await admission.read(ANN)
    entry.admit(spec())
    assert entry.terms == QueueTerms()


async def test_roles_decide_the_terms(admission: Admission, database: Database) -> None:
    await database.policies.set_rule(RoleRule(GUILD, PATRON, weight=2.0, running=3, lane=True))
    assert (await admission.read(ANN)).terms == QueueTerms(weight=2.0, cap=3, lane=-1)
    assert (await admission.read(replace(ANN, role_ids=frozenset()))).terms == QueueTerms()
    assert (await admission.read(replace(ANN, guild_id=None))).terms == QueueTerms()


async def test_what_waits_is_counted_against_the_quota(
    admission: Admission, database: Database, clock: ManualClock
) -> None:
    await database.policies.set_rule(RoleRule(GUILD, GUILD, day_seconds=150.0))
    (await admission.read(ANN)).admit(spec())
    await database.jobs.add(waiting(1, clock))
    (await admission.read(ANN)).admit(spec())
    await database.jobs.add(waiting(2, clock))
    entry = await admission.read(ANN)
    with pytest.raises(LimitError, match=r"0 of 2\.5 GPU minutes"):
        entry.admit(spec())
    with pytest.raises(LimitError, match="GPU minutes"):
        entry.admit_unread("imagine")
    (await admission.read(replace(ANN, user_id=99))).admit(spec())


async def test_the_backstop_holds_without_any_rule(
    admission: Admission, database: Database, clock: ManualClock
) -> None:
    for number in range(3):
        await database.jobs.add(waiting(number + 1, clock))
    entry = await admission.read(ANN)
    with pytest.raises(LimitError, match="already have 3 requests"):
        entry.admit(spec())
    with pytest.raises(LimitError, match="already have 3 requests"):
        entry.admit_unread("imagine")


async def test_rules_are_read_again_after_a_while_and_at_once_when_they_change_here(
    admission: Admission, database: Database, clock: ManualClock
) -> None:
    assert (await admission.allowance(ANN)).weight == 1.0
    await database.policies.set_rule(RoleRule(GUILD, PATRON, weight=2.0))
    assert (await admission.allowance(ANN)).weight == 1.0, "from memory"
    admission.forget(GUILD)
    assert (await admission.allowance(ANN)).weight == 2.0
    await database.policies.set_rule(RoleRule(GUILD, PATRON, weight=3.0))
    await clock.advance(RULES_CACHE_SECONDS + 0.1)
    assert (await admission.allowance(ANN)).weight == 3.0


async def test_rules_that_changed_while_they_were_read_are_not_remembered(
    admission: Admission, database: Database
) -> None:
    reading = asyncio.create_task(admission.allowance(ANN))
    await asyncio.sleep(0)  # it has asked, and the answer is under way
    admission.forget(GUILD)
    await reading
    await database.policies.set_rule(RoleRule(GUILD, PATRON, weight=2.0))
    assert (await admission.allowance(ANN)).weight == 2.0


async def test_the_requests_of_one_member_come_one_after_the_other(admission: Admission) -> None:
    bob = replace(ANN, user_id=99)
    order: list[str] = []

    async def ask(asker: Requester, name: str, go: asyncio.Event) -> None:
        async with admission.lock(asker):
            order.append(f"{name} in")
            await go.wait()
            order.append(f"{name} out")

    go, gone = asyncio.Event(), asyncio.Event()
    gone.set()
    tasks = [asyncio.create_task(ask(ANN, "first", go)), asyncio.create_task(ask(ANN, "second", gone))]
    tasks.append(asyncio.create_task(ask(bob, "bob", gone)))
    await settle()
    assert order == ["first in", "bob in", "bob out"]
    go.set()
    await asyncio.gather(*tasks)
    assert order[3:] == ["first out", "second in", "second out"]


async def test_a_storm_of_requests_gets_exactly_what_is_allowed(
    admission: Admission, database: Database, clock: ManualClock
) -> None:
    await database.policies.set_rule(RoleRule(GUILD, GUILD, day_pictures=2))

    async def ask(number: int) -> bool:
        async with admission.lock(ANN):
            entry = await admission.read(ANN)
            try:
                entry.admit(spec())
            except LimitError:
                return False
            await database.jobs.add(waiting(number, clock), entry.terms)
            return True

    answers = await asyncio.gather(*(ask(number) for number in range(1, 20)))
    assert answers.count(True) == 2


async def test_who_gives_up_while_waiting_leaves_nothing_behind(admission: Admission) -> None:
    async with admission.lock(ANN):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), admission.lock(ANN):
                raise AssertionError("two at once")
    async with asyncio.timeout(1.0), admission.lock(ANN):
        pass
    assert not admission._locks, "no lock is kept for those who are gone"
