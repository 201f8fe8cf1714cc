"""Asked to stop, refused a start: in order, in time, and in a sentence."""

import asyncio
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.sandbox.comfyui import ServerState
from bot.storage.schema.upgrade import VERSION_TABLE
from tests.faults.databases import ENGINES
from tests.faults.process import BotProcess
from tests.faults.single_process import STARTS, Installation, installed
from tests.transport.conftest import until

pytestmark = pytest.mark.timeout(60)

IN_TIME = 10.0


@pytest.mark.parametrize("database", ENGINES, indirect=True)
async def test_running_prompts_go_on_while_it_stops_and_are_delivered_by_the_next(
    tmp_path: Path, database: str, seed: int
) -> None:
    state = ServerState(seconds_per_step=0.25)
    async with installed(tmp_path, database, seed, state=state, settings={"QUEUE_DEPTH": "6"}) as house:
        await house.start()
        await house.crowd.order(6)
        await until(lambda: state.seen.frames["progress"] and len(state.seen.prompts) == 6)
        code, seconds = await house.bot.stop()
        assert (code, seconds < IN_TIME) == (0, True), house.bot.printed
        assert state.seen.interrupts == []
        done = state.seen.frames["execution_success"]
        assert done < 6, "it was stopped in the middle"
        state.seconds_per_step = 0.1
        await asyncio.sleep(1.0)
        await house.start()
        await house.crowd.ends(30.0)
        census = house.census()
        assert not census.stale_positions, house.report(census)
        assert census.shown == 6, house.report(census)
        assert set(census.prompts.values()) == {1}, house.report(census)


async def test_deliveries_under_way_arrive_before_it_is_gone(tmp_path: Path, database: str, seed: int) -> None:
    async with installed(tmp_path, database, seed, state=ServerState(seconds_per_step=0.0)) as house:
        await house.start()
        fault = house.wire.state.delay(r"PATCH .*/webhooks", 1.0)
        await house.crowd.order(1)
        await until(lambda: fault.hits)
        code, seconds = await house.bot.stop()
        assert (code, seconds < IN_TIME) == (0, True), house.bot.printed
        assert house.crowd.orders[0].has_ended
        await _comes_back_to_nothing(house)


async def _comes_back_to_nothing(house: Installation) -> None:
    before = len(house.crowd.orders[0].accepted.edits) if house.crowd.orders[0].accepted else 0
    await house.start()
    await asyncio.sleep(1.5)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    accepted = house.crowd.orders[0].accepted
    assert accepted is not None
    assert len(accepted.edits) == before, "what was delivered is not delivered again"


async def edits_hang(house: Installation) -> None:
    house.wire.state.delay(r"PATCH .*/messages/", 30.0, times=None)


async def comfyui_hangs(house: Installation) -> None:
    house.comfy.state.frozen = True


async def comfyui_is_gone(house: Installation) -> None:
    await house.comfy.kill()


@pytest.mark.parametrize(
    "trouble",
    [
        edits_hang,
        pytest.param(comfyui_hangs, marks=pytest.mark.soak),
        pytest.param(comfyui_is_gone, marks=pytest.mark.soak),
    ],
    ids=lambda trouble: trouble.__name__,
)
async def test_it_stops_in_time_whatever_hangs(
    tmp_path: Path, database: str, seed: int, trouble: Callable[[Installation], Awaitable[None]]
) -> None:
    async with installed(tmp_path, database, seed, state=ServerState(seconds_per_step=0.2)) as house:
        await house.start()
        await house.crowd.order(2)
        await until(lambda: house.comfy.state.seen.frames["progress"])
        await trouble(house)
        await asyncio.sleep(2.0)
        code, seconds = await house.bot.stop()
        assert (code, seconds < IN_TIME) == (0, True), house.bot.printed
        house.wire.state.faults.clear()
        house.comfy.state.frozen, house.comfy.state.seconds_per_step = False, 0.05
        await house.comfy.start()
        await house.start()
        await house.crowd.ends(30.0)
        census = house.census()
        assert not census.stale_positions, house.report(census)
        assert census.shown == 2, house.report(census)


async def test_asked_to_stop_before_it_is_up_it_stops(tmp_path: Path, database: str, seed: int) -> None:
    async with installed(tmp_path, database, seed) as house:
        await house.bot.start()
        await asyncio.sleep(house.random.uniform(1.0, 2.0))
        code, seconds = await house.bot.stop()
        assert seconds < IN_TIME
        assert code in (0, -15), "before Python can listen, the signal itself ends it"
        assert "Traceback" not in house.bot.printed, house.bot.printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_asked_to_stop_between_two_shards_it_stops(
    tmp_path: Path, database: str, seed: int, number: signal.Signals
) -> None:
    async with installed(tmp_path, database, seed) as house:
        house.wire.state.shards = 2
        await house.bot.start()
        await house.wire.ready(1, STARTS)
        code, seconds = await house.bot.stop(number)
        assert (code, seconds < IN_TIME / 2) == (0, True), house.bot.printed
        assert "Traceback" not in house.bot.printed, house.bot.printed


async def test_a_stopping_bot_accepts_nothing_that_it_then_loses(tmp_path: Path, database: str, seed: int) -> None:
    async with installed(tmp_path, database, seed) as house:
        await house.start()
        ordering = asyncio.create_task(house.crowd.order(20, within=3.0))
        await asyncio.sleep(house.random.uniform(0.5, 2.0))
        code, seconds = await house.bot.stop()
        assert (code, seconds < IN_TIME) == (0, True), house.bot.printed
        await house.start()
        await ordering
        await house.crowd.ends(30.0)
        census = house.census()
        assert not census.stale_positions, house.report(census)
        assert census.shown == 20, house.report(census)


async def test_a_second_bot_on_one_file_is_refused_in_a_sentence(tmp_path: Path, database: str, seed: int) -> None:
    (tmp_path / "second").mkdir()
    async with installed(tmp_path, database, seed) as house:
        await house.start()
        second = BotProcess(tmp_path / "second", house.settings | {"DATA_DIR": str(tmp_path / "second")})
        await second.start()
        try:
            code = await second.ended()
        finally:
            await second.kill()
        assert code == 1
        assert_one_sentence(second.printed)
        assert house.bot.is_running
        await house.crowd.order(1)
        await house.crowd.ends(20.0)
        census = house.census()
        assert (census.stale_positions, census.shown) == ([], 1), house.report(census)


async def test_a_database_of_a_newer_version_is_refused_in_a_sentence(tmp_path: Path, database: str, seed: int) -> None:
    async with installed(tmp_path, database, seed) as house:
        await house.start()
        await house.bot.stop()
        with sqlite3.connect(tmp_path / "comfycord.db") as file:
            file.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 # a name of ours
        file.close()
        before = house.bot.printed
        await house.bot.start()
        assert await house.bot.ended() == 1
        said = house.bot.printed.removeprefix(before)
        assert_one_sentence(said)
        assert "newer" in said


def assert_one_sentence(printed: str) -> None:
    """The last line is for people; nothing is a traceback."""
    assert "Traceback" not in printed, printed
    *_, sentence = printed.strip().splitlines()
    assert sentence.endswith("."), printed
    assert "[" not in sentence, f"a sentence, no log line: {printed}"
