"""Where only a token can edit: the button that brings a fresh one, before the old one ends and after it has ended."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from bot.i18n import _
from bot.jobs.job import Delivery, JobState, StaleJobError
from bot.jobs.status import QueuedStatus, RunningStatus
from tests.transport.conftest import until
from tests.transport.delivery_setup import (
    Desk,
    Order,
    opened_desk,
    picture,
    widths,
)
from tests.wire import WireDiscord

BY_TOKEN = r"PATCH .*/webhooks/"
WHERES: list[Any] = [{"force_ephemeral": True}, {"user_install": True}]
only_by_token = pytest.mark.parametrize("where", WHERES, ids=["private", "user install"])
MINUTE = 60.0


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    """A desk at which a minute takes less than a second."""
    async with WireDiscord() as wire, opened_desk(wire, speed=90.0) as desk:
        wire.state.rate_limits = False  # Discord's own clock is not that fast
        yield desk


def has_button(order: Order) -> bool:
    return f"cc:show:{order.job.id}" in order.message.buttons


async def ended_too_late(desk: Desk, **where: Any) -> Order:
    """Return a job whose result came when its token was over."""
    order = await desk.order(minutes_ago=12, **where)
    desk.messages.update(order.job, QueuedStatus(1, 1))
    await until(lambda: has_button(order))
    await until(lambda: desk.clock.now() > order.job.place.token_expires)
    assert await desk.deliver(order, [picture(5)]) is Delivery.UNDELIVERABLE
    return order


@only_by_token
async def test_a_job_of_twenty_minutes_goes_on_in_its_message_and_is_delivered(desk: Desk, where: Any) -> None:
    order = await desk.order(minutes_ago=10, **where)
    pressed = None
    for minute in range(10, 20):
        desk.messages.update(order.job, RunningStatus(elapsed=minute * MINUTE, fraction=minute / 20))
        await desk.clock.sleep(MINUTE)
        if pressed is None and has_button(order) and minute >= 15:
            pressed = await desk.press(order)
    assert pressed is not None
    assert "%" in pressed.text
    assert await desk.deliver(order, [picture(5)]) is Delivery.SENT
    assert widths(order.message) == [5]
    assert not has_button(order), "nothing is left to be shown"
    assert desk.told_directly() == []


@only_by_token
async def test_the_button_comes_in_time_though_nothing_is_heard_of_the_job(where: Any) -> None:
    async with WireDiscord() as wire, opened_desk(wire, speed=30.0) as desk:
        order = await desk.order(minutes_ago=13, **where)
        desk.messages.update(order.job, QueuedStatus(3, 7))
        await until(lambda: has_button(order))
        left = order.job.place.token_expires - desk.clock.now()
    assert 0.5 * MINUTE < left < 1.5 * MINUTE
    assert "#3 of 7" in order.message.text


async def test_the_button_is_tried_again_when_discord_stumbles(desk: Desk) -> None:
    order = await desk.order(minutes_ago=10, force_ephemeral=True)
    desk.messages.update(order.job, QueuedStatus(3, 7))
    await until(lambda: "#3 of 7" in order.message.text)
    fault = desk.wire.state.drop(BY_TOKEN, times=3)
    await until(lambda: has_button(order))
    assert fault.hits == 3


async def test_a_message_that_the_bot_can_edit_needs_no_button(desk: Desk) -> None:
    order = await desk.order(minutes_ago=10)
    for minute in range(10, 16):
        desk.messages.update(order.job, RunningStatus(elapsed=minute * MINUTE, fraction=minute / 20))
        await desk.clock.sleep(MINUTE)
    assert not any("cc:show" in str(edit.payload) for edit in order.message.edits)
    assert order.message.edits[-1].via == "bot"
    assert await desk.deliver(order, [picture(5)]) is Delivery.SENT


@only_by_token
@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "after a restart"])
async def test_a_result_that_came_too_late_waits_behind_the_button(desk: Desk, where: Any, restarts: bool) -> None:
    order = await ended_too_late(desk, **where)
    [told] = desk.told_directly()
    assert "Show result" in told
    if restarts:
        async with desk.restarted():
            await desk.press(order)
            await desk.until(order, Delivery.SENT)
    else:
        await desk.press(order)
        await desk.until(order, Delivery.SENT)
    assert widths(order.message) == [5]
    assert not has_button(order)


async def test_a_press_after_a_restart_shows_what_is_known_and_goes_on(desk: Desk) -> None:
    order = await desk.order(minutes_ago=12, force_ephemeral=True)
    desk.messages.update(order.job, QueuedStatus(1, 1))
    await until(lambda: has_button(order))
    await desk.messages.close()
    async with desk.restarted() as after:
        await desk.press(order)
        await until(lambda: "Sent to the GPU server" in order.message.text)
        job = await after.stored(order)
        assert job.place.token_expires > order.job.place.token_expires
        after.messages.update(job, RunningStatus(elapsed=1.0, fraction=0.5))
        await until(lambda: "50%" in order.message.text)
        assert await after.deliver(order, [picture(5)]) is Delivery.SENT
    assert widths(order.message) == [5]


async def test_a_press_that_another_process_hears_is_enough(desk: Desk) -> None:
    order = await desk.order(minutes_ago=13, force_ephemeral=True)
    desk.messages.update(order.job, RunningStatus(elapsed=1.0, fraction=0.25))
    await until(lambda: has_button(order))
    async with desk.restarted() as gateway:
        gateway.has_jobs = False
        await gateway.press(order)
        await until(lambda: desk.clock.now() > order.job.place.token_expires)
        desk.messages.update(order.job, RunningStatus(elapsed=2.0, fraction=0.5))  # who runs it heard of no press
        await until(lambda: "50%" in order.message.text)
        assert not has_button(order)
        assert await desk.deliver(order, [picture(5)]) is Delivery.SENT
    assert widths(order.message) == [5]


async def test_a_failure_that_came_too_late_is_read_behind_the_button(desk: Desk) -> None:
    order = await desk.order(minutes_ago=12, force_ephemeral=True)
    desk.messages.update(order.job, QueuedStatus(1, 1))
    await until(lambda: has_button(order))
    await until(lambda: desk.clock.now() > order.job.place.token_expires)
    assert await desk.fail(order, _("Out of memory.")) is Delivery.UNDELIVERABLE
    await desk.press(order)
    await desk.until(order, Delivery.SENT)
    assert "Out of memory." in order.message.text
    with pytest.raises(StaleJobError):
        await desk.store.update(order.job, delivery=Delivery.UNDELIVERABLE)


async def test_a_result_that_nobody_has_any_more_is_said_to_be_gone(desk: Desk) -> None:
    order = await ended_too_late(desk, force_ephemeral=True)
    await desk.results.drop(order.job.id)
    await desk.press(order)
    await until(lambda: "This result has expired" in order.message.text)


async def test_only_who_asked_may_press(desk: Desk) -> None:
    order = await ended_too_late(desk, user_install=True)
    before = len(order.message.edits)
    stranger = await desk.press(order, user_id=4711)
    assert "Only the person who asked" in stranger.text
    assert stranger.message is not None
    assert stranger.message.is_ephemeral
    assert len(order.message.edits) == before
    assert (await desk.stored(order)).delivery is Delivery.UNDELIVERABLE


async def test_a_press_takes_over_a_result_that_was_put_off(desk: Desk) -> None:
    order = await desk.order(minutes_ago=12, force_ephemeral=True)
    desk.messages.update(order.job, QueuedStatus(1, 1))
    await until(lambda: has_button(order))
    fault = desk.wire.state.drop(BY_TOKEN, times=None)
    assert await desk.deliver(order, [picture(5)]) is Delivery.PENDING
    fault.times = 0
    await desk.press(order)
    job = await desk.until(order, Delivery.SENT)
    assert job.state is JobState.DONE
    assert widths(order.message) == [5]


async def test_a_press_while_the_result_is_being_told_shows_it_once(desk: Desk) -> None:
    order = await ended_too_late(desk, force_ephemeral=True)
    await asyncio.gather(desk.press(order), desk.press(order))
    await desk.until(order, Delivery.SENT)
    assert widths(order.message) == [5]


async def test_a_token_that_another_process_heard_of_serves_for_the_result(desk: Desk) -> None:
    order = await desk.order(minutes_ago=12, force_ephemeral=True)
    desk.messages.update(order.job, QueuedStatus(1, 1))
    await until(lambda: has_button(order))
    await until(lambda: desk.clock.now() > order.job.place.token_expires)
    await desk.keep(order, [picture(5)])
    await desk.results.drop(order.job.id)
    before = len(order.message.edits)
    async with desk.restarted():
        await desk.press(order)
        # Both processes take it for their message here, so only that it is edited again is sure
        await until(lambda: len(order.message.edits) > before)
        assert await desk.messages.deliver(order.job, [picture(5)], None) is Delivery.SENT
    assert widths(order.message) == [5]
    assert desk.told_directly() == []


async def test_late_progress_does_not_hide_the_end_but_a_job_that_comes_back_shows_it(desk: Desk) -> None:
    order = await desk.order()
    late = order.job
    assert await desk.deliver(order, [picture(5)]) is Delivery.SENT
    desk.messages.update(late, RunningStatus(elapsed=1.0, fraction=0.5))
    await desk.clock.sleep(MINUTE)
    assert widths(order.message) == [5]
    desk.messages.update(replace(late, epoch=late.epoch + 1), RunningStatus(elapsed=1.0, fraction=0.5))
    await until(lambda: "50%" in order.message.text)


async def test_a_press_that_discord_does_not_take_up_can_be_repeated(desk: Desk) -> None:
    order = await ended_too_late(desk, force_ephemeral=True)
    fault = desk.wire.state.drop(BY_TOKEN, times=4)
    await desk.press(order)
    await until(lambda: fault.hits == 4)
    assert (await desk.stored(order)).delivery is Delivery.UNDELIVERABLE
    await desk.press(order)
    await desk.until(order, Delivery.SENT)
