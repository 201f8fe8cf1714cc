"""Rules, pauses and standings, as they are kept: on both engines."""

from dataclasses import replace
from typing import Any

import pytest

from bot.jobs.job import JobState
from bot.policy.pauses import EVERYTHING, Pause, of_member, of_workflow
from bot.policy.quotas import DAY, WEEK, Usage
from bot.policy.role_rules import RoleRule
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.policies import SqlPolicyRepository
from tests.databases import policies_of
from tests.jobs.doubles import place
from tests.storage.engines import execute
from tests.storage.samples import (
    claimed,
    done,
    failed,
    job,
)

GUILD, USER, NOW = 5, 7, 10_000_000.0
ACCOUNT = f"{GUILD}:{USER}"
FULL = RoleRule(
    guild_id=GUILD, role_id=9, weight=2.5, running=3, waiting=20, lane=True, day_seconds=600.5, week_seconds=3000.0,
    day_pictures=50, week_pictures=200, cooldown=30.0,
)  # fmt: skip


@pytest.fixture
def policies(store: SqlJobRepository) -> SqlPolicyRepository:
    return policies_of(store)


# ------------------------------------------------------------------ rules


async def test_rules_are_those_of_their_guild(policies: SqlPolicyRepository) -> None:
    everybody = RoleRule(guild_id=GUILD, role_id=GUILD, lane=False, day_pictures=0)
    for rule in (FULL, everybody, replace(FULL, guild_id=6)):
        await policies.set_rule(rule)
    assert await policies.rules(GUILD) == [everybody, FULL]
    assert await policies.rules(1 << 62) == []


async def test_a_rule_takes_the_place_of_the_former_one_and_goes_when_it_says_nothing(
    policies: SqlPolicyRepository,
) -> None:
    await policies.set_rule(FULL)
    less = RoleRule(guild_id=GUILD, role_id=9, cooldown=0.0)
    await policies.set_rule(less)
    assert await policies.rules(GUILD) == [less]
    await policies.set_rule(RoleRule(guild_id=GUILD, role_id=9))
    assert await policies.rules(GUILD) == []


# ------------------------------------------------------------------ pauses


async def test_pauses_hold_until_their_end_and_the_newest_comes_first(policies: SqlPolicyRepository) -> None:
    short = Pause(EVERYTHING, by=1, reason="power", at=10.0, until=20.0)
    long = Pause(of_member(GUILD, USER), by=2, at=11.0)
    await policies.pause(short)
    await policies.pause(long)
    assert await policies.pauses(19.9) == [long, short]
    assert await policies.pauses(20.0) == [long]


async def test_a_pause_takes_the_place_of_the_former_one(policies: SqlPolicyRepository) -> None:
    await policies.pause(Pause(EVERYTHING, by=1, at=10.0, until=20.0))
    anew = Pause(EVERYTHING, by=2, reason="later", at=11.0, until=40.0)
    await policies.pause(anew)
    assert await policies.pauses(15.0) == [anew]
    assert await policies.resume(EVERYTHING)
    assert not await policies.resume(EVERYTHING)
    assert await policies.pauses(15.0) == []


async def test_pauses_that_are_over_do_not_pile_up(store: SqlJobRepository, policies: SqlPolicyRepository) -> None:
    for at in range(5):
        await policies.pause(Pause(of_workflow(f"w{at}", GUILD), by=1, at=float(at), until=at + 0.5))
    assert await execute(store, "SELECT count(*) AS n FROM pause") == [{"n": 1}]


async def test_odd_reasons_are_kept_as_far_as_they_can_be(policies: SqlPolicyRepository) -> None:
    await policies.pause(Pause("workflow:5:\0a", by=1, reason="@everyone \0\ud83d\N{SNOWMAN} '--", at=1.0))
    (kept,) = await policies.pauses(1.0)
    assert (kept.scope, kept.reason) == ("workflow:5:a", "@everyone ?\N{SNOWMAN} '--")
    assert await policies.resume("workflow:5:\0a")


# ------------------------------------------------------------------ standings


async def used(store: SqlJobRepository, number: int, at: float, **changes: Any) -> None:
    """Write a run of the member into the ledger."""
    run = {"account_id": ACCOUNT, "seconds": 1.0, "pictures": 1, "counted": True, "guild_id": GUILD} | changes
    await execute(
        store,
        "INSERT INTO usage (job_id, epoch, account_id, guild_id, user_id, gpu_seconds, pictures, counted, at) VALUES"
        " (:job_id, 1, :account_id, :guild_id, 7, :seconds, :pictures, :counted, :at)",
        job_id=f"past{number}", at=at, **run,
    )  # fmt: skip


def ours(number: int, **changes: Any) -> Any:
    return job(number, USER, place=replace(place(number), guild_id=GUILD), **changes)


async def test_who_never_asked_stands_at_nothing(policies: SqlPolicyRepository) -> None:
    assert await policies.usage(GUILD, USER, NOW) == Usage()
    assert await policies.usage(None, USER, NOW) == Usage()


async def test_what_was_used_counts_for_a_day_and_for_a_week(
    store: SqlJobRepository, policies: SqlPolicyRepository
) -> None:
    await used(store, 1, NOW - 5.0, seconds=2.5, pictures=4)
    await used(store, 2, NOW - DAY + 1.0, seconds=10.0, pictures=0)
    await used(store, 3, NOW - DAY, seconds=20.0, pictures=2)
    await used(store, 4, NOW - WEEK + 1.0, seconds=40.0)
    await used(store, 5, NOW - WEEK, seconds=80.0)
    await used(store, 6, NOW - 1.0, seconds=1000.0, pictures=9, counted=False)
    await used(store, 7, NOW - 1.0, seconds=1000.0, account_id="6:7", guild_id=6)
    assert await policies.usage(GUILD, USER, NOW) == Usage(
        day_seconds=12.5,
        day_pictures=4,
        oldest_day=NOW - DAY + 1.0,
        week_seconds=72.5,
        week_pictures=7,
        oldest_week=NOW - WEEK + 1.0,
    )


async def test_what_waits_and_runs_is_still_to_come(store: SqlJobRepository, policies: SqlPolicyRepository) -> None:
    await store.add(ours(1, estimate=3.0, pictures=4))
    await claimed(store)
    await store.add(ours(2, estimate=5.0, pictures=2))
    await store.add(ours(3, estimate=7.0, state=JobState.HELD, holder="me"))
    await store.add(job(4, USER, place=replace(place(4), guild_id=6), estimate=100.0))
    await store.add(replace(ours(5, estimate=100.0), requester=job(5, 8).requester))
    assert await policies.usage(GUILD, USER, NOW) == Usage(
        pending_seconds=15.0, pending_pictures=7, pending=3, waiting=2, running=1, last_asked=3.0
    )
    elsewhere = await policies.usage(6, USER, NOW)
    assert (elsewhere.pending, elsewhere.last_asked) == (1, 4.0)


async def test_runs_count_when_they_bring_something(store: SqlJobRepository, policies: SqlPolicyRepository) -> None:
    await store.acquire_leases(["http://gpu1:8188"], "instance-1", 30.0)
    await done(store, 1)
    guild_id = (await store.browse([], limit=1))[0].place.guild_id
    now = (await execute(store, "SELECT max(at) AS at FROM usage"))[0]["at"]
    standing = await policies.usage(guild_id, USER, now)
    assert (standing.pending, standing.last_asked) == (0, 1.0)
    assert standing.day_seconds > 0
    await failed(store, 2)
    assert (await policies.usage(guild_id, USER, now)).day_seconds == standing.day_seconds


@pytest.mark.parametrize("end", [JobState.FAILED, JobState.CANCELLED])
async def test_a_request_that_no_server_got_was_not_asked_for(
    store: SqlJobRepository, policies: SqlPolicyRepository, end: JobState
) -> None:
    await store.add(ours(1))
    await claimed(store)
    refused = ours(2, state=JobState.HELD, holder="me")
    await store.add(refused)
    assert (await policies.usage(GUILD, USER, NOW)).last_asked == 2.0
    await store.transition(refused, end)
    assert (await policies.usage(GUILD, USER, NOW)).last_asked == 1.0


async def test_a_request_that_ended_badly_on_a_server_was_asked_for(
    store: SqlJobRepository, policies: SqlPolicyRepository
) -> None:
    await store.add(ours(1))
    await store.transition(await claimed(store), JobState.FAILED)
    assert (await policies.usage(GUILD, USER, NOW)).last_asked == 1.0


async def test_taking_back_what_waits_ends_the_cooldown(store: SqlJobRepository, policies: SqlPolicyRepository) -> None:
    await store.add(ours(1))
    await store.cancel("job1", USER, NOW)
    assert (await policies.usage(GUILD, USER, NOW)).last_asked == 0.0
