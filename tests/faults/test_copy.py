"""A bot that waits on a file goes on with PostgreSQL: stopped, copied, started, and nobody notices."""

from pathlib import Path

import pytest

from bot.sandbox.comfyui import ServerState
from tests.faults.databases import PostgreSQL
from tests.faults.single_process import installed
from tests.transport.conftest import until

ORDERS, MANY = 8, 80


@pytest.mark.timeout(180)
async def test_jobs_that_wait_and_run_survive_the_way_from_sqlite_to_postgresql(
    tmp_path: Path, database: str, postgres: PostgreSQL, seed: int, soak: bool
) -> None:
    state, orders = ServerState(seconds_per_step=0.25, plain=True), MANY if soak else ORDERS
    async with installed(tmp_path, database, seed, state=state) as house:
        await house.start()
        await house.crowd.order(orders, within=orders / 20)
        await until(lambda: len(state.seen.runs) >= 2 and state.seen.frames["progress"])
        await house.bot.stop()
        assert len(state.seen.prompts) < orders, "some have to wait yet"
        target = postgres.url()
        code, printed = await house.bot.once("copy", "--to", target)
        assert code == 0, printed
        assert "Copied everything" in printed
        house.settings["DATABASE_URL"] = target
        state.seconds_per_step = 0.05
        await house.start()
        await house.crowd.ends(60.0)
        census = house.census()
        assert not census.stale_positions, house.report(census)
        assert census.shown == orders, house.report(census)
        assert set(census.prompts.values()) == {1}, house.report(census)
