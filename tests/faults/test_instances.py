"""More than one of something: two processes on one database, of which one is a ghost, and two ComfyUIs."""

import asyncio
from pathlib import Path

import pytest

from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.process import BotProcess
from tests.faults.single_process import installed
from tests.transport.conftest import until

LEASE = 30.0
ENDS = 30.0


@pytest.mark.soak
@pytest.mark.timeout(150)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_process_that_slept_through_its_lease_changes_nothing_when_it_wakes(
    tmp_path: Path, database: str, seed: int
) -> None:
    (tmp_path / "other").mkdir()
    async with installed(tmp_path, database, seed, state=ServerState(seconds_per_step=0.3)) as house:
        await house.start()
        other = BotProcess(tmp_path / "other", house.settings | {"DATA_DIR": str(tmp_path / "other" / "data")})
        await other.start()
        try:
            await until(lambda: house.wire.counters.identifies == 2, 20.0)
            await asyncio.sleep(1.0)
            await house.crowd.order(4)  # taken in by the newer process, carried out by the older one
            await until(lambda: house.comfy.state.seen.frames["progress"])
            house.bot.freeze()
            await house.crowd.ends(LEASE + ENDS)
            edits = [len(order.accepted.edits) for order in house.crowd.orders if order.accepted]
            house.bot.thaw()
            await asyncio.sleep(8.0)
            census = house.census(log=other.printed)
            assert not census.stale_positions, house.report(census) + other.printed
            assert census.shown == 4, house.report(census) + other.printed
            assert set(census.prompts.values()) == {1}, house.report(census)
            assert edits == [len(order.accepted.edits) for order in house.crowd.orders if order.accepted]
        finally:
            await other.kill()


@pytest.mark.timeout(60)
async def test_two_servers_share_the_work_and_one_of_them_is_killed(tmp_path: Path, database: str, seed: int) -> None:
    async with (
        StandIn(ServerState(seconds_per_step=0.1)) as second,
        installed(tmp_path, database, seed, state=ServerState(seconds_per_step=0.1)) as house,
    ):
        house.settings["COMFYUI_URLS"] = f"{house.comfy.url},{second.url}"
        await house.start()
        await until(lambda: second.state.seen.sockets_open)
        await house.crowd.order(12)
        await until(lambda: second.state.seen.frames["progress"] and house.comfy.state.seen.frames["progress"])
        await second.kill()
        await house.kill()
        await asyncio.sleep(1.0)
        await second.start()
        await house.start()
        await house.crowd.ends(ENDS)
        census = house.census(second)
        assert not census.stale_positions, house.report(census)
        assert census.shown == 12, house.report(census)
        assert len(set(second.state.seen.prompts) & set(house.comfy.state.seen.prompts)) == 0


@pytest.mark.soak
@pytest.mark.timeout(90)
async def test_jobs_of_a_server_that_is_used_no_more_go_to_another(tmp_path: Path, database: str, seed: int) -> None:
    async with (
        StandIn(ServerState(seconds_per_step=0.0)) as second,
        installed(tmp_path, database, seed, state=ServerState(seconds_per_step=0.5)) as house,
    ):
        await house.start()
        await house.crowd.order(3)
        await until(lambda: house.comfy.state.seen.frames["progress"])
        await house.kill()
        await house.comfy.kill()
        house.settings["COMFYUI_URLS"] = second.url
        await house.bot.start()
        await house.ready()
        await house.crowd.ends(ENDS)
        census = house.census(second)
        assert not census.stale_positions, house.report(census)
        assert census.shown == 3, house.report(census)
