"""The database goes away and comes back: nobody waits without an answer, nothing is lost, nothing is done twice."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.comfyui import ServerState
from tests.faults.databases import PostgreSQL, postgresql
from tests.faults.single_process import Installation, installed
from tests.transport.conftest import until

pytestmark = pytest.mark.timeout(100)

ENDS = 30.0
"""Seconds after the database is back."""


@pytest.fixture
def own_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL for this test alone, which may stop it."""
    with postgresql() as server:
        yield server


async def all_ended(house: Installation, count: int) -> None:
    """Require the right picture for every order, each drawn once."""
    await house.crowd.ends(ENDS)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    assert census.shown == count, house.report(census)
    assert set(census.prompts.values()) == {1}, house.report(census)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3.0, id="for a moment"),
        pytest.param(25.0, id="for longer than leases are certain", marks=pytest.mark.soak),
    ],
)
async def test_postgresql_goes_away_while_jobs_run(
    tmp_path: Path, own_server: PostgreSQL, seed: int, seconds: float
) -> None:
    state = ServerState(seconds_per_step=0.15)
    async with installed(tmp_path, own_server.url(), seed, state=state) as house:
        await house.start()
        await house.crowd.order(8)
        await until(lambda: state.seen.frames["progress"])
        await asyncio.to_thread(own_server.stop)
        late = asyncio.create_task(house.crowd.order(2))
        await asyncio.sleep(seconds)
        await asyncio.to_thread(own_server.start)
        await late
        await all_ended(house, 10)
        refused = [text for order in house.crowd.orders for text in order.refusals]
        assert all("database" in text for text in refused), refused


async def test_killed_while_postgresql_is_away(tmp_path: Path, own_server: PostgreSQL, seed: int) -> None:
    state = ServerState(seconds_per_step=0.15)
    async with installed(tmp_path, own_server.url(), seed, state=state) as house:
        await house.start()
        await house.crowd.order(6)
        await until(lambda: state.seen.frames["progress"])
        await asyncio.to_thread(own_server.stop)
        await asyncio.sleep(house.random.uniform(0.5, 2.0))
        await house.kill()
        await asyncio.to_thread(own_server.start)
        await house.start()
        await all_ended(house, 6)


async def test_a_start_without_its_database_is_refused_in_a_sentence(
    tmp_path: Path, own_server: PostgreSQL, seed: int
) -> None:
    url = own_server.url()
    await asyncio.to_thread(own_server.stop)
    async with installed(tmp_path, url, seed) as house:
        await house.bot.start()
        assert await house.bot.ended() == 1
        assert "Traceback" not in house.bot.printed
        assert "DATABASE_URL" in house.bot.printed
    await asyncio.to_thread(own_server.start)


async def test_somebody_holds_the_file_for_a_while(tmp_path: Path, database: str, seed: int) -> None:
    state = ServerState(seconds_per_step=0.1)
    async with installed(tmp_path, database, seed, state=state) as house:
        await house.start()
        await house.crowd.order(6)
        await until(lambda: state.seen.frames["progress"])
        other = sqlite3.connect(tmp_path / "comfycord.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        late = asyncio.create_task(house.crowd.order(2))
        await asyncio.sleep(6.0)
        other.close()
        await late
        await all_ended(house, 8)
