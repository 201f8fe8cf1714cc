"""Whose turn it is: by what they and their guild have used, as far as servers, caps and pauses let them."""

import asyncio
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from bot.jobs.job import Job, JobState
from bot.policy.fair_share import STARVATION_LIMIT
from bot.policy.pauses import PauseScope, scopes_of
from bot.policy.terms import QueueTerms, account_key
from bot.storage.engine.dialect import POSTGRES
from bot.storage.jobs import claim_candidates
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.servers import compatibility
from bot.workflow.run.needs import Needs
from tests.clocks import ManualClock
from tests.jobs.doubles import place, spec
from tests.storage.engines import Database, execute
from tests.storage.samples import (
    GPU,
    ME,
    YOU,
    in_line,
    job,
)

NOW = 1_800_000_000.0
OTHER = "http://gpu2:8188"


class Hall:
    """A line with members of several guilds in front of a server."""

    def __init__(self, store: SqlJobRepository, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.number = 0

    async def ask(
        self, user: int, guild: int = 4, terms: QueueTerms | None = None, jobs: int = 1, **changes: Any
    ) -> str:
        """Let a member ask for a picture, or for several; return the id of the last one."""
        for _turn in range(jobs):
            self.number += 1
            at = replace(place(self.number), guild_id=guild)
            new = {"estimate": 10.0, "created": self.clock.now(), "place": at} | changes
            await self.store.add(job(self.number, user, **new), terms)
        return f"job{self.number}"

    async def claim(self, server: str = GPU, *, loaded: str = "") -> Job | None:
        self.number += 1
        return await self.store.claim(server, ME, f"prompt{self.number}", self.clock.now(), loaded=loaded)

    async def served(self, turns: int = 1, *, loaded: str = "") -> list[int]:
        """Return the members whose jobs are claimed."""
        taken = [await self.claim(loaded=loaded) for _turn in range(turns)]
        return [entry.requester.user_id for entry in taken if entry is not None]


@pytest.fixture
async def hall(database: Database) -> Hall:
    clock = ManualClock(NOW)
    store = await database.open(clock=clock.now)
    await store.acquire_leases([GPU, OTHER], ME, 1e9)
    return Hall(store, clock)


def needing(cls_number: int = 1, model: str = "") -> dict[str, Any]:
    """A run that needs something of its server."""
    return {"spec": spec(needs=Needs(nodes=frozenset({f"Node{cls_number}"}), models=(model,) if model else ()))}


# ------------------------------------------------------------------ shares


async def test_after_a_flood_the_next_one_who_asks_is_served_next(hall: Hall) -> None:
    await hall.ask(7, jobs=50)
    assert await hall.served(2) == [7, 7]
    await hall.ask(8)
    assert await hall.served(2) == [8, 7]


async def test_those_who_used_as_much_are_served_in_turn(hall: Hall) -> None:
    for user in (7, 8, 9):
        await hall.ask(user, jobs=4)
        await hall.clock.advance(0.1)
    assert await hall.served(9) == [7, 8, 9] * 3


async def test_those_who_are_new_are_served_in_the_order_in_which_they_came(hall: Hall) -> None:
    for user in (9, 7, 8):
        await hall.ask(user)
        await hall.clock.advance(1.0)
    assert await hall.served(3) == [9, 7, 8]


async def test_a_larger_weight_is_a_larger_share(hall: Hall) -> None:
    await hall.ask(7, terms=QueueTerms(weight=3.0), jobs=40)
    await hall.ask(8, jobs=40)
    counts = Counter(await hall.served(40))
    assert 29 <= counts[7] <= 31


async def test_guilds_come_before_members(hall: Hall) -> None:
    for user in range(10, 20):
        await hall.ask(user, guild=1, jobs=3)
    await hall.ask(20, guild=2, jobs=10)
    served = await hall.served(12)
    assert served.count(20) == 6, "one member of a guild of its own, as much as ten of another"


async def test_longer_jobs_count_for_more(hall: Hall) -> None:
    await hall.ask(7, jobs=10, estimate=30.0)
    await hall.ask(8, jobs=30, estimate=10.0)
    counts = Counter(await hall.served(20))
    assert (counts[7], counts[8]) == (5, 15)


async def test_the_moderators_lane_is_served_first(hall: Hall) -> None:
    await hall.ask(7, jobs=3)
    await hall.ask(8, guild=5, terms=QueueTerms(lane=-1), jobs=2)
    assert await hall.served(3) == [8, 8, 7]


async def test_nobody_waits_for_ever(hall: Hall) -> None:
    await hall.ask(7, terms=QueueTerms(weight=0.001), jobs=2)
    assert await hall.served(1) == [7]
    await hall.clock.advance(1.0)
    for user in range(10, 14):
        await hall.ask(user, jobs=2)
    await hall.clock.advance(STARVATION_LIMIT + 1)
    await hall.ask(30)
    assert (await hall.served(5))[0] == 7, "it waits longest"
    assert await hall.served(2) == [30, 10]


async def test_the_loaded_model_decides_among_equals(hall: Hall) -> None:
    await hall.ask(7, **needing(model="a.safetensors"))
    await hall.clock.advance(1.0)
    await hall.ask(8, **needing(model="b.safetensors"))
    await execute(hall.store, "INSERT INTO fit SELECT :s, cls, :yes, '[]' FROM job_class", s=GPU, yes=True)
    assert await hall.served(2, loaded="b.safetensors") == [8, 7]


async def test_ones_own_jobs_may_change_places_for_the_loaded_model_but_not_for_long(hall: Hall) -> None:
    for model in ("a", "a", "b", "b"):
        await hall.ask(7, **needing(model=model))
    await execute(hall.store, "INSERT INTO fit SELECT :s, cls, :yes, '[]' FROM job_class", s=GPU, yes=True)
    first = await hall.claim(loaded="b")
    await hall.clock.advance(301.0)
    second = await hall.claim(loaded="b")
    assert [each and each.id for each in (first, second)] == ["job3", "job1"]


# ------------------------------------------------------------------ what holds jobs back


async def test_nobody_has_more_jobs_on_servers_than_their_cap(hall: Hall) -> None:
    await hall.ask(7, terms=QueueTerms(cap=2), jobs=3)
    first = await hall.claim()
    assert await hall.served(2) == [7]
    assert first is not None
    await hall.store.transition(first, JobState.FAILED)
    assert await hall.served(2) == [7]
    await hall.ask(7, terms=QueueTerms(cap=None))
    assert await hall.served(2) == [7]


async def test_a_cap_of_none_at_all_lets_nothing_start(hall: Hall) -> None:
    await hall.ask(7, terms=QueueTerms(cap=0))
    assert await hall.claim() is None


async def test_a_cap_holds_however_many_claim(database: Database, hall: Hall) -> None:
    others = [await database.open() for _turn in range(3)]
    await hall.ask(7, terms=QueueTerms(cap=3), jobs=20)
    await hall.ask(8, terms=QueueTerms(cap=2), jobs=20)
    everybody = [hall.store, *others]
    taken = await asyncio.gather(
        *(each.claim(GPU, ME, f"p{turn}-{number}", NOW) for turn in range(6) for number, each in enumerate(everybody))
    )
    assert Counter(entry.requester.user_id for entry in taken if entry) == {7: 3, 8: 2}
    assert await hall.store.recount() == []


PAUSES = scopes_of(guild="4", workflow="imagine", account=account_key(4, 7))


def test_a_claim_looks_for_those_pauses_that_explain_why_a_job_waits() -> None:
    """Both have the same templates; this is about which of them each of the two uses."""
    queries = (claim_candidates._gate(POSTGRES), claim_candidates._next(POSTGRES, ()))
    written = re.findall(r"scope IN \(([^()]*)\)", " ".join(str(query) for query in queries))
    assert {kind for scopes in written for kind in re.findall(r"'(\w+)(?=[:'])", scopes)} == {
        PauseScope.parse(scope).kind for scope in PAUSES
    }


@pytest.mark.parametrize("scope", PAUSES)
async def test_nothing_of_what_is_paused_starts(hall: Hall, scope: str) -> None:
    await hall.ask(7)
    await execute(hall.store, "INSERT INTO pause (scope, until) VALUES (:scope, :until)", scope=scope, until=NOW + 10)
    assert await hall.claim() is None
    await hall.clock.advance(10.0)
    assert await hall.served() == [7]


@pytest.mark.parametrize("scope", PAUSES[1:])
async def test_what_is_paused_holds_up_nobody_else(hall: Hall, scope: str) -> None:
    await execute(hall.store, "INSERT INTO pause (scope) VALUES (:scope)", scope=scope)
    await hall.ask(7, jobs=20)
    await hall.ask(8, guild=5, spec=spec(workflow="video"))
    taken = await hall.claim()
    assert taken is not None
    assert taken.requester.user_id == 8


async def test_a_server_that_is_drained_or_disabled_gets_nothing(hall: Hall) -> None:
    await hall.ask(7)
    for column in ("paused = true", "paused = false, enabled = false"):
        await execute(hall.store, f"UPDATE server SET {column} WHERE server_id = :s", s=GPU)  # noqa: S608
        assert await hall.claim() is None
    assert await hall.claim(OTHER) is not None


async def test_a_server_gets_only_what_it_can_run(hall: Hall) -> None:
    await hall.ask(7, **needing(1))
    assert await hall.claim() is None, "nobody has said yet that it can"
    (needs,) = await execute(hall.store, "SELECT cls, needs FROM job_class")
    assert Needs.from_json(needs["needs"]).cls == needs["cls"]
    for server, fits in ((GPU, False), (OTHER, True)):
        row = {"s": server, "c": needs["cls"], "f": fits}
        await execute(hall.store, "INSERT INTO fit (server_id, cls, fits) VALUES (:s, :c, :f)", **row)
    await hall.ask(8)
    assert await hall.served(2) == [8]
    assert await hall.claim(OTHER) is not None


async def test_behind_what_a_server_cannot_run_comes_what_it_can(hall: Hall) -> None:
    await hall.ask(7, jobs=30, **needing(1))
    await hall.ask(7)
    await hall.ask(8, jobs=30, **needing(1))
    taken = await hall.claim()
    assert taken is not None
    assert taken.id == "job31"
    assert await hall.claim() is None


async def test_a_class_is_written_to_once_an_hour(hall: Hall) -> None:
    async def used_at() -> float:
        (row,) = await execute(hall.store, "SELECT used_at FROM job_class")
        return row["used_at"] - NOW

    await hall.ask(7, **needing())
    await hall.clock.advance(compatibility.TOUCH_INTERVAL - 1)
    await hall.ask(7, **needing())
    assert await used_at() == 0.0
    await hall.clock.advance(1.0)
    held = job(99, state=JobState.HELD, place=replace(place(99), guild_id=4))
    await hall.store.add(held)
    await hall.store.queue(replace(held, **needing()))
    assert await used_at() == compatibility.TOUCH_INTERVAL


async def test_a_lost_lease_lets_nothing_start(hall: Hall) -> None:
    await hall.ask(7)
    await execute(hall.store, "UPDATE server SET lease_until = 0")
    assert await hall.claim() is None
    await hall.store.acquire_leases([GPU], YOU, 1e9)
    assert await hall.claim() is None
    assert await in_line(hall.store) == ["job1"]


# ------------------------------------------------------------------ looking at the line


async def test_a_snapshot_has_everything_of_a_short_line(hall: Hall) -> None:
    await hall.ask(7, terms=QueueTerms(weight=2.0, cap=3), jobs=2)
    await hall.ask(8, guild=5, estimate=4.0, not_before=NOW + 5, **needing())
    await hall.claim()
    snapshot = await hall.store.snapshot(10)
    assert snapshot.total == len(await in_line(hall.store)) == 2
    assert {each.job_id: (each.account, each.guild, each.seconds, each.not_before) for each in snapshot.waiting} == {
        "job2": ("4:7", "4", 10.0, 0.0), "job3": ("5:8", "5", 4.0, NOW + 5),
    }  # fmt: skip
    account = snapshot.accounts["4:7"]
    assert (account.terms, account.running, account.waits_since) == (QueueTerms(weight=2.0, cap=3), 1, NOW)
    assert (account.share.used, snapshot.guilds["4"].used, snapshot.guilds["5"].used) == (5.0, 10.0, 0.0)


async def test_a_snapshot_has_the_next_turns_of_a_long_line(hall: Hall) -> None:
    """Of many who wait those who are next, and of a newcomer among them as many jobs as there may be turns."""
    await hall.ask(7, guild=5, jobs=30)
    await hall.served(4)
    await hall.ask(8, guild=5, jobs=20)
    for user in range(10, 15):
        await hall.ask(user, guild=6, jobs=3)
    snapshot = await hall.store.snapshot(12)
    assert len(snapshot.waiting) == 12
    assert snapshot.total == 26 + 20 + 15
    mine = [each.job_id for each in snapshot.waiting if each.account == "5:8"]
    assert mine == [f"job{number}" for number in range(35, 35 + len(mine))]
    assert len({each.account for each in snapshot.waiting if each.guild == "6"}) == 5
    claimed = Counter(entry.requester.user_id for entry in [await hall.claim() for _turn in range(6)] if entry)
    assert claimed[8] <= len(mine)


async def test_what_is_held_is_not_in_the_line(hall: Hall) -> None:
    await hall.ask(7, state=JobState.HELD)
    snapshot = await hall.store.snapshot(10)
    assert (snapshot.waiting, snapshot.total) == ([], 0)
