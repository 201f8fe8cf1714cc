"""Leases, and taking over what somebody else began."""

import asyncio

import pytest

from bot.jobs.job import Delivery, JobState, StaleJobError
from bot.storage.jobs.recovery import HELD_TOO_LONG
from bot.storage.jobs.repository import SqlJobRepository
from tests.storage.engines import Database, execute
from tests.storage.samples import (
    GPU,
    ME,
    TTL,
    YOU,
    claimed,
    delivering,
    done,
    failed,
    job,
    running,
)

SHORT = 0.05


async def lapse() -> None:
    """Let a SHORT lease run out, by whichever clock."""
    await asyncio.sleep(SHORT + 0.03)


# ------------------------------------------------------------------ leases


async def test_a_server_has_one_owner(store: SqlJobRepository) -> None:
    assert await store.acquire_leases(["a", "b"], ME, TTL) == {"a", "b"}
    assert await store.acquire_leases(["b", "c"], YOU, TTL) == {"c"}
    assert await store.acquire_leases(["a", "b"], ME, TTL) == {"a", "b"}
    assert await store.acquire_leases([], ME, TTL) == frozenset()


async def test_a_lease_that_ran_out_goes_to_another(store: SqlJobRepository) -> None:
    await store.acquire_leases([GPU], ME, SHORT)
    assert await store.acquire_leases([GPU], YOU, TTL) == frozenset()
    await lapse()
    assert await store.acquire_leases([GPU], YOU, TTL) == {GPU}
    assert await store.acquire_leases([GPU], ME, TTL) == frozenset()
    assert await execute(store, "SELECT owner, epoch FROM server") == [{"owner": YOU, "epoch": 2}]


async def test_an_owner_that_was_restarted_has_its_lease_at_once(database: Database, store: SqlJobRepository) -> None:
    await store.acquire_leases([GPU], ME, TTL)
    again = await database.open()
    assert await again.acquire_leases([GPU], ME, TTL) == {GPU}
    assert await execute(store, "SELECT epoch FROM server") == [{"epoch": 1}]


async def test_a_lease_that_was_given_up_is_free_at_once(store: SqlJobRepository) -> None:
    await store.acquire_leases(["a", "b"], ME, TTL)
    await store.acquire_leases(["c"], YOU, TTL)
    await store.release_leases(ME)
    assert await store.acquire_leases(["a", "b", "c"], YOU, TTL) == {"a", "b", "c"}


async def test_without_a_lease_nothing_is_claimed_or_adopted(store: SqlJobRepository) -> None:
    await running(store)
    await store.add(job(2))
    await store.acquire_leases([GPU], ME, SHORT)
    await lapse()
    assert await store.claim(GPU, ME, "prompt2", 100.0) is None
    assert await store.take_over_server(GPU, ME) == []
    assert await store.acquire_leases([GPU], ME, TTL) == {GPU}
    assert len(await store.take_over_server(GPU, ME)) == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_machines_whose_clocks_differ_agree_on_leases(database: Database, store: SqlJobRepository) -> None:
    late = await database.open(clock=lambda: 9e9)
    await store.acquire_leases([GPU], ME, TTL)
    assert await late.acquire_leases([GPU], YOU, TTL) == frozenset()


# ------------------------------------------------------------------ adopting


async def test_what_a_server_has_in_hand_is_adopted_under_new_epochs(store: SqlJobRepository) -> None:
    untold = await failed(store, 1, delivery=Delivery.PENDING)
    on_the_way = await delivering(store, 2)
    under_way = await running(store, 3)
    await done(store, 4)
    await failed(store, 5, delivery=Delivery.SENT)
    await store.add(job(6))
    await claimed(store, "prompt6", server="other")
    await store.add(job(7))
    adopted = await store.take_over_server(GPU, ME)
    assert [(entry.id, entry.epoch) for entry in adopted] == [("job1", 2), ("job2", 2), ("job3", 2)]
    for old in (untold, on_the_way, under_way):
        with pytest.raises(StaleJobError):
            await store.update(old, tries=1)
    assert await store.recount() == []


async def test_another_owner_adopts_nothing(store: SqlJobRepository) -> None:
    entry = await running(store)
    assert await store.take_over_server(GPU, YOU) == []
    assert await store.get("job1") == entry


async def test_a_takeover_stops_the_old_owner(store: SqlJobRepository) -> None:
    old = await running(store)
    await store.acquire_leases([GPU], ME, SHORT)
    await lapse()
    await store.acquire_leases([GPU], YOU, TTL)
    (taken,) = await store.take_over_server(GPU, YOU)
    with pytest.raises(StaleJobError):
        await store.transition(old, JobState.DELIVERING)
    assert (await store.transition(taken, JobState.DELIVERING)).state is JobState.DELIVERING


# ------------------------------------------------------------------ strays


async def test_requests_that_their_reader_left_are_strays(store: SqlJobRepository) -> None:
    await store.add(job(1, state=JobState.HELD, holder=ME, created=1000.0))
    await store.add(job(2, state=JobState.HELD, holder=YOU, created=1000.0))
    await store.add(job(3, state=JobState.HELD, holder="", created=1000.0))
    strays = await store.orphans(ME, [], 1010.0, alone=False)
    assert [(entry.id, entry.epoch) for entry in strays] == [("job1", 1)]


@pytest.mark.parametrize(("alone", "now"), [(True, 1010.0), (False, 1000.0 + HELD_TOO_LONG)])
async def test_anybodys_request_is_a_stray_when_nobody_can_be_reading_it(
    store: SqlJobRepository, alone: bool, now: float
) -> None:
    await store.add(job(1, state=JobState.HELD, holder=YOU, created=1000.0))
    await store.add(job(2, state=JobState.HELD, holder="", created=1000.0))
    assert [entry.id for entry in await store.orphans(ME, [], now, alone=alone)] == ["job1"]


async def test_jobs_on_a_server_that_nobody_has_are_strays(store: SqlJobRepository) -> None:
    for number, server in enumerate(("mine", "yours", "nobodys", "unheard-of"), start=1):
        await store.add(job(number))
        await claimed(store, f"prompt{number}", server=server)
    await store.add(job(5))
    await store.release_leases(ME)
    await store.acquire_leases(["yours"], YOU, TTL)
    await execute(store, "DELETE FROM server WHERE server_id = 'unheard-of'")
    strays = await store.orphans(ME, ["mine"], 200.0, alone=True)
    assert [(entry.server, entry.epoch) for entry in strays] == [("nobodys", 2), ("unheard-of", 2)]


# ------------------------------------------------------------------ what is to be told


async def test_a_delivery_that_was_put_off_is_taken_when_it_is_due(store: SqlJobRepository) -> None:
    put_off = await store.update(await delivering(store), not_before=500.0, tries=1)
    assert await store.claim_due_delivery(ME, 499.0, 800.0) is None
    taken = await store.claim_due_delivery(ME, 500.0, 800.0)
    assert taken is not None
    assert (taken.id, taken.epoch, taken.not_before) == ("job1", 2, 800.0)
    with pytest.raises(StaleJobError):
        await store.update(put_off, tries=2)
    assert await store.claim_due_delivery(ME, 799.0, 900.0) is None
    assert await store.claim_due_delivery(ME, 800.0, 900.0) is not None


async def test_what_is_told_or_under_way_is_not_taken(store: SqlJobRepository) -> None:
    await done(store, 1)
    await failed(store, 2, delivery=Delivery.UNDELIVERABLE)
    await running(store, 3)
    assert await store.claim_due_delivery(ME, 1e9, 2e9) is None


async def test_the_longest_due_is_told_first(store: SqlJobRepository) -> None:
    for number, due in ((1, 30.0), (2, 10.0), (3, 20.0)):
        await failed(store, number, delivery=Delivery.PENDING, not_before=due)
    taken = [await store.claim_due_delivery(ME, 100.0, 200.0) for _turn in range(4)]
    assert [entry and entry.id for entry in taken] == ["job2", "job3", "job1", None]


async def test_what_is_on_a_server_of_others_is_left_to_them(store: SqlJobRepository) -> None:
    await store.update(await delivering(store), not_before=0.0)
    assert await store.claim_due_delivery(YOU, 1e9, 2e9) is None
    await store.release_leases(ME)
    assert await store.claim_due_delivery(YOU, 1e9, 2e9) is not None


async def test_two_who_ask_at_once_do_not_tell_twice(database: Database, store: SqlJobRepository) -> None:
    other = await database.open()
    for number in (1, 2, 3):
        await failed(store, number, delivery=Delivery.PENDING, not_before=0.0)
    taken = await asyncio.gather(
        *(each.claim_due_delivery(ME, 1e9, 2e9) for each in (store, other) for _turn in range(4))
    )
    assert sorted(entry.id for entry in taken if entry is not None) == ["job1", "job2", "job3"]
