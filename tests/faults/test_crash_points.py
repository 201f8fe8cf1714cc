"""Killed at the worst moments, one by one: whatever was accepted ends once."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.images import many, png
from tests.faults.requests import end_of, is_over, sizes
from tests.faults.single_process import Installation
from tests.faults.token_aging import hours_pass
from tests.transport.conftest import until
from tests.wire import Attachment, WireInteraction

pytestmark = pytest.mark.timeout(60)

HELD = 1.5
"""Seconds for which a request is kept where it is: the bot is killed meanwhile."""
ENDS = 30.0
ANSWER = r"POST .*/callback"
EDIT = r"PATCH .*/webhooks"
NEXT_PART = r"POST .*/channels/\d+/messages"

Reached = Callable[[], object]


# ------------------------------------------------------------------ the points; each returns how to know it is reached


def answer_is_lost(house: Installation) -> Reached:
    fault = house.wire.state.drop(ANSWER)
    fault.delay = HELD
    return lambda: fault.hits


def answer_has_arrived(house: Installation) -> Reached:
    fault = house.wire.state.delay(ANSWER, HELD, after=True)
    return lambda: fault.hits and any(job.message for job in house.crowd.orders[0].attempts)


def prompt_is_lost(house: Installation) -> Reached:
    state = house.comfy.state
    state.frozen = True
    state.drop_request["POST /prompt"] = 1
    return lambda: state.seen.requests["POST /prompt"]


def prompt_is_on_its_way(house: Installation) -> Reached:
    state = house.comfy.state
    state.frozen = True
    return lambda: state.seen.requests["POST /prompt"]


def prompt_has_arrived(house: Installation) -> Reached:
    state = house.comfy.state
    state.answer_delay_ms["POST /prompt"] = HELD * 1000
    state.seconds_per_step = 0.2
    return lambda: state.seen.prompts


def prompt_runs(house: Installation) -> Reached:
    state = house.comfy.state
    state.seconds_per_step = 0.5
    return lambda: state.seen.frames["progress"]


def outcome_is_read(house: Installation) -> Reached:
    state = house.comfy.state
    state.answer_delay_ms["GET /history"] = HELD * 1000
    return lambda: state.seen.frames["execution_success"] and state.seen.requests["GET /history"]


def picture_is_fetched(house: Installation) -> Reached:
    state = house.comfy.state
    state.answer_delay_ms["GET /view"] = HELD * 1000
    return lambda: state.seen.requests["GET /view"]


def result_is_lost(house: Installation) -> Reached:
    fault = house.wire.state.drop(EDIT)
    fault.delay = HELD
    return lambda: fault.hits


def result_is_late(house: Installation) -> Reached:
    fault = house.wire.state.delay(EDIT, 2 * HELD)
    return lambda: fault.hits


def result_has_arrived(house: Installation) -> Reached:
    fault = house.wire.state.delay(EDIT, HELD, after=True)
    return lambda: fault.hits and house.crowd.orders[0].has_ended


POINTS = (
    answer_is_lost,
    answer_has_arrived,
    prompt_is_lost,
    prompt_is_on_its_way,
    prompt_has_arrived,
    prompt_runs,
    outcome_is_read,
    picture_is_fetched,
    result_is_lost,
    result_is_late,
    result_has_arrived,
)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
async def test_killed_when(house: Installation, point: Callable[[Installation], Reached]) -> None:
    reached = point(house)
    ordering = asyncio.create_task(house.crowd.order(1))
    await until(reached)
    await house.kill()
    _calm(house)
    await house.start()
    await ordering
    await house.crowd.ends(ENDS)
    await asyncio.sleep(2 * HELD if point is result_is_late else 0.0)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    assert census.shown == 1, house.report(census)
    assert census.prompts == {0: 1}, house.report(census)


def _calm(house: Installation) -> None:
    """Let go of what was held."""
    house.comfy.state.frozen = False
    house.comfy.state.answer_delay_ms.clear()


@pytest.mark.parametrize("point", [answer_has_arrived, prompt_runs, result_is_lost], ids=lambda point: point.__name__)
async def test_away_for_hours_after(
    house: Installation, tmp_path: Path, point: Callable[[Installation], Reached]
) -> None:
    reached = point(house)
    ordering = asyncio.create_task(house.crowd.order(1))
    await until(reached)
    await house.kill()
    await ordering
    hours_pass(tmp_path / "comfycord.db", house.crowd.orders[0].attempts)
    _calm(house)
    await house.start()
    await house.crowd.ends(ENDS)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    assert census.shown + len(census.told) == 1, house.report(census)
    if point is not answer_has_arrived:
        assert (census.shown, census.prompts) == (1, {0: 1}), house.report(census)


async def test_killed_between_the_answer_and_the_line(house: Installation, tmp_path: Path) -> None:
    fault = house.wire.state.delay(ANSWER, 0.5, after=True)
    ordering = asyncio.create_task(house.crowd.order(1))
    await until(lambda: fault.hits and any(job.message for job in house.crowd.orders[0].attempts))
    database = sqlite3.connect(tmp_path / "comfycord.db", isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")  # the bot cannot write any more
        await ordering
        await asyncio.sleep(1.0)
        assert not house.comfy.state.seen.prompts, "it is not in the line yet"
        await house.kill()
    finally:
        database.close()
    await house.start()
    await house.crowd.ends(ENDS)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    assert (census.shown, census.prompts) == (1, {0: 1}), house.report(census)


async def test_a_result_outlives_comfyui_the_bot_and_a_discord_in_trouble(house: Installation) -> None:
    fault = house.wire.state.fail(r"PATCH .*/messages/", 503, body="upstream connect error", times=None)
    await house.crowd.order(1)
    await until(lambda: fault.hits and house.comfy.state.seen.frames["execution_success"])
    await asyncio.sleep(0.5)
    await house.comfy.kill()
    await house.kill()
    await house.bot.start()
    await house.ready()
    await asyncio.sleep(1.0)
    fault.times = 0
    await house.crowd.ends(ENDS)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    assert (census.shown, census.prompts) == (1, {0: 1}), house.report(census)


COMMAND = 2
"""Discord's number for the use of a command, which its suggestions are not."""


async def test_an_event_that_comes_again_is_no_second_order(house: Installation) -> None:
    await house.crowd.order(1)
    sent = [json.loads(text) for _, text in house.wire.gateway.shards[0].history if "INTERACTION_CREATE" in text]
    event = next(event for event in sent if event["d"]["type"] == COMMAND)
    await house.wire.gateway.dispatch("INTERACTION_CREATE", event["d"], shard=0)
    await house.crowd.ends(ENDS)
    await house.kill()
    await house.start()
    await house.wire.gateway.dispatch("INTERACTION_CREATE", event["d"], shard=0)
    await asyncio.sleep(1.5)
    census = house.census()
    assert not census.stale_positions, house.report(census)
    assert (census.shown, census.prompts) == (1, {0: 1}), house.report(census)


# ------------------------------------------------------------------ with pictures


async def upscale(house: Installation, *, delay: float = 0.0) -> WireInteraction:
    """Order a picture made larger."""
    picture = Attachment("in.png", png((96, 64)), delay=delay)
    return await house.wire.slash("upscale", {"image": picture, "factor": 2.0})


async def test_killed_while_a_picture_is_read_asks_for_it_again(house: Installation) -> None:
    job = await upscale(house, delay=5.0)
    await house.kill()
    await house.start()
    message = await job.wait_for(is_over, ENDS)
    assert "again" in message.text
    assert house.comfy.state.seen.prompts == []
    assert len(house.wire.world.messages) == 1


@pytest.mark.parametrize("is_stored", [False, True], ids=["before", "after"])
async def test_killed_at_an_upload_it_is_uploaded_again(house: Installation, is_stored: bool) -> None:
    state = house.comfy.state
    state.frozen = not is_stored
    state.answer_delay_ms["POST /upload/image"] = HELD * 1000
    job = await upscale(house)
    await until(lambda: state.seen.uploads if is_stored else state.seen.requests["POST /upload/image"])
    await house.kill()
    _calm(house)
    await house.start()
    assert sizes(await job.wait_for(is_over, ENDS)) == [(192, 128)]
    assert len(state.seen.prompts) == 1
    assert len(house.wire.world.messages) == 1


# ------------------------------------------------------------------ results of several messages


@pytest.mark.parametrize(
    ("part", "has_arrived"),
    [
        pytest.param(1, True, id="1 arrived"),
        pytest.param(2, False, id="2 lost"),
        pytest.param(1, False, id="1 lost", marks=pytest.mark.soak),
        pytest.param(2, True, id="2 arrived", marks=pytest.mark.soak),
    ],
)
async def test_killed_between_the_parts_of_a_result_nothing_is_shown_twice(
    house: Installation, part: int, has_arrived: bool
) -> None:
    expected, house.comfy.state.extra_output = many(house.comfy.directory, 25)
    for _ in range(part - 1):
        house.wire.state.delay(NEXT_PART, 0.0)
    if has_arrived:
        fault = house.wire.state.delay(NEXT_PART, HELD, after=True)
    else:
        fault = house.wire.state.drop(NEXT_PART)
        fault.delay = HELD
    messages = house.wire.world.messages
    job = await house.wire.slash("imagine", {"prompt": "many"})
    await until(lambda: fault.hits and len(messages) == part + has_arrived, 20.0)
    await house.kill()
    await house.start()
    await until(lambda: sum(len(message.attachments) for message in messages.values()) >= len(expected), ENDS)
    await asyncio.sleep(1.0)
    shown = [size for _, message in sorted(messages.items()) for size in sizes(message)]
    assert shown == expected
    assert job.message is not None
    assert end_of(job.message) == "shown"
    assert [len(message.attachments) for _, message in sorted(messages.items())] == [10, 10, 5]
