"""Everything at once on one PostgreSQL: nobody waits for each other, no job is lost, and the counters stay right."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace

from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.policy.terms import QueueTerms
from bot.storage.engine.postgres import is_transient
from bot.storage.jobs.repository import SqlJobRepository
from bot.workflow.run.needs import Needs
from tests.jobs.doubles import place, spec
from tests.storage.engines import Database, empty, execute
from tests.storage.samples import ME, job

SERVERS = [f"gpu{number}" for number in range(4)]
CAP = 2
STEPS = 60
"""Steps of each of the members and servers; on an idle machine they take about three seconds."""
LATER = 2e9


class Storm:
    """Members who ask and cancel, and servers that claim and finish, over several connections."""

    def __init__(self, stores: list[SqlJobRepository], seed: int) -> None:
        self._stores = stores
        self._chance = random.Random(seed)
        self._ids: list[str] = []
        self._number = 0
        self.claims: Counter[tuple[str, int]] = Counter()

    def _store(self) -> SqlJobRepository:
        return self._chance.choice(self._stores)

    async def member(self, user: int) -> None:
        for _turn in range(STEPS):
            if self._ids and self._chance.random() < 0.3:
                await self._store().cancel(self._chance.choice(self._ids), user, LATER)
                continue
            self._number += 1
            needs = (
                Needs(nodes=frozenset({f"Node{self._chance.randrange(3)}"})) if self._chance.random() < 0.3 else Needs()
            )
            where = replace(place(self._number), guild_id=user % 2)
            new = job(self._number, user, estimate=self._chance.uniform(1, 99), place=where, spec=spec(needs=needs))
            await self._store().add(new, QueueTerms(weight=self._chance.choice([0.5, 1.0, 2.0]), cap=CAP))
            self._ids.append(new.id)

    async def server(self, name: str) -> None:
        for turn in range(STEPS):
            entry = await self._store().claim(name, ME, f"{name}-{turn}", LATER, loaded=self._chance.choice(["", "m"]))
            if entry is None:
                await asyncio.sleep(0.005)
                continue
            self.claims[entry.id, entry.epoch] += 1
            with suppress(StaleJobError):
                await self._finish(await self._store().update(entry, posted=True))

    async def _finish(self, entry: Job) -> None:
        state = self._chance.choice([JobState.QUEUED, JobState.DELIVERING, JobState.FAILED, JobState.CANCELLED])
        moved = await self._store().transition(
            entry, state, **({} if state is JobState.QUEUED else {"finished": LATER + 9})
        )
        if state is JobState.DELIVERING:
            await self._store().transition(moved, JobState.DONE, delivery=Delivery.SENT)

    async def correct(self) -> None:
        for _turn in range(5):
            assert await self._store().recount() == []
            await asyncio.sleep(0.2)


async def test_a_storm_of_everything_deadlocks_nobody(postgres_url: str) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201
    database = Database(postgres_url)
    stores = [await database.open() for _turn in range(4)]
    await empty(stores[0])
    faults: list[Exception] = []
    for store in stores:
        store.engine._retrying._is_transient = lambda error: faults.append(error) or is_transient(error)  # type: ignore[attr-defined]
    await stores[0].acquire_leases(SERVERS, ME, 1e9)
    storm = Storm(stores, seed)
    await asyncio.gather(
        *(storm.member(user) for user in range(6)), *(storm.server(name) for name in SERVERS), storm.correct()
    )
    assert faults == []
    assert set(storm.claims.values()) == {1}
    assert len(storm.claims) > STEPS
    assert await stores[0].recount() == []
    rows = await execute(stores[0], "SELECT used, score FROM account UNION ALL SELECT used, score FROM guild")
    assert all(0 <= row["used"] < 1e6 for row in rows)
    await database.close()
