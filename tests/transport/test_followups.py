"""Results that one message cannot hold: further messages, each once, in order, whatever happens in between."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bot.jobs.job import Delivery, JobState, StaleJobError
from tests.transport.conftest import until
from tests.transport.delivery_setup import (
    Desk,
    opened_desk,
    picture,
    widths,
)
from tests.wire import WireDiscord
from tests.wire.places import MEMBER_PERMISSIONS, READ_HISTORY, SEND_MESSAGES

EDIT = r"PATCH .*/messages"
POST = r"POST .*/channels/\d+/messages"
FILES = [picture(number) for number in range(1, 26)]
NUMBERS = list(range(1, 26))


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    async with WireDiscord() as wire, opened_desk(wire) as desk:
        yield desk


def shown(desk: Desk) -> list[list[int]]:
    """Return the pictures of every message in the channel, by their widths."""
    return [widths(message) for message in desk.in_channel()]


def in_three(numbers: list[int]) -> list[list[int]]:
    return [numbers[:10], numbers[10:20], numbers[20:]]


async def test_twenty_five_files_are_three_messages_in_order(desk: Desk) -> None:
    order = await desk.order()
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert shown(desk) == in_three(NUMBERS)
    first, second, third = desk.in_channel()
    assert first is order.message
    assert second.reference == third.reference == first.id
    assert "2 of 3" in second.text
    assert {part.message_id for part in (await desk.stored(order)).parts.values()} == {second.id, third.id}


async def test_the_size_of_a_request_divides_them_too(desk: Desk) -> None:
    order = await desk.order()
    files = [picture(size=9 * 1024 * 1024)] * 3
    assert await desk.deliver(order, files) is Delivery.SENT
    assert [len(message.attachments) for message in desk.in_channel()] == [2, 1]
    [small] = {len(file.data) > 8_000_000 for message in desk.in_channel() for file in message.attachments}
    assert small, "nothing had to be made smaller"


@pytest.mark.parametrize("after", [False, True], ids=["request lost", "answer lost"])
async def test_a_post_that_breaks_off_is_repeated_and_made_once(desk: Desk, after: bool) -> None:
    order = await desk.order()
    fault = desk.wire.state.drop(POST, after=after, times=2)
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert fault.hits == 2
    assert shown(desk) == in_three(NUMBERS)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after ten minutes"])
@pytest.mark.parametrize("made", [True, False], ids=["message made", "message not made"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_crash_while_a_message_is_under_way_posts_nothing_twice(
    desk: Desk, number: int, made: bool, late: bool
) -> None:
    order = await desk.order()
    for _ in range(number - 2):
        desk.wire.state.delay(POST, 0.0)  # the parts before the one that is held up
    held_up = desk.wire.state.delay(EDIT if number == 1 else POST, 30.0, after=made)
    telling = asyncio.create_task(desk.deliver(order, FILES))
    await until(lambda: held_up.hits)
    await until(lambda: shown(desk) == in_three(NUMBERS)[: number if made else number - 1] or not made)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    if late:
        desk.let_ten_minutes_pass()
    order.job = await desk.stored(order)
    assert order.job.state is JobState.DELIVERING
    async with desk.restarted() as after:
        assert await after.deliver(order, FILES) is Delivery.SENT
        assert await after.messages.deliver(await desk.stored(order), FILES, None) is Delivery.SENT
    assert shown(desk) == in_three(NUMBERS)


async def test_an_old_intent_that_cannot_be_looked_for_is_left_out_and_said(desk: Desk) -> None:
    desk.wire.state.rate_limits = False
    order = await desk.order()
    desk.wire.state.drop(POST, after=True, times=4)
    assert await desk.deliver(order, FILES) is Delivery.PENDING
    desk.let_ten_minutes_pass()
    await desk.wire.allow(desk.wire.guild.channels[0], MEMBER_PERMISSIONS & ~READ_HISTORY)
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert shown(desk) == in_three(NUMBERS)
    assert "10 more files" in order.message.text
    assert "/history" in order.message.text


async def test_where_the_bot_may_not_reply_it_posts_all_the_same(desk: Desk) -> None:
    await desk.wire.allow(desk.wire.guild.channels[0], MEMBER_PERMISSIONS & ~READ_HISTORY)
    order = await desk.order()
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert shown(desk) == in_three(NUMBERS)
    assert desk.in_channel()[1].reference is None


async def test_where_the_bot_may_not_post_the_first_message_says_where_the_rest_is(desk: Desk) -> None:
    order = await desk.order()
    await desk.wire.allow(desk.wire.guild.channels[0], MEMBER_PERMISSIONS & ~SEND_MESSAGES)
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert shown(desk) == [NUMBERS[:10]]
    assert "15 more files" in order.message.text
    [told] = desk.told_directly(1)
    assert "Send Messages" in told


@pytest.mark.parametrize("where", [{"force_ephemeral": True}, {"user_install": True}], ids=["private", "user install"])
async def test_where_only_a_token_serves_one_message_holds_what_fits(desk: Desk, where: dict[str, bool]) -> None:
    order = await desk.order(**where)
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert widths(order.message) == NUMBERS[:10]
    assert "15 more files" in order.message.text
    assert not [entry for entry in desk.wire.requests if entry.template == "/channels/{channel_id}/messages"]


async def test_in_direct_messages_the_bot_posts_the_rest_as_well(desk: Desk) -> None:
    order = await desk.order(context=1)
    assert await desk.deliver(order, FILES) is Delivery.SENT
    assert [widths(message) for message in desk.wire.messages_in(order.message.channel)] == in_three(NUMBERS)


async def test_a_channel_is_not_flooded(desk: Desk) -> None:
    desk.wire.state.rate_limits = False
    order = await desk.order()
    assert await desk.deliver(order, [picture(1)] * 120) is Delivery.SENT
    assert len(desk.in_channel()) == 10
    assert "20 more files" in order.message.text


async def test_a_part_that_is_too_large_comes_smaller(desk: Desk) -> None:
    order = await desk.order()
    desk.wire.state.fail(POST, 413, 40005)
    assert await desk.deliver(order, [picture(size=200_000)] * 11) is Delivery.SENT
    first, second = desk.in_channel()
    assert len(second.attachments[0].data) < 0.7 * len(first.attachments[0].data)


async def test_who_lost_the_job_posts_no_more(desk: Desk) -> None:
    order = await desk.order()
    await desk.keep(order, FILES)
    stale = order.job
    assert await desk.store.take_over(stale.id) is not None
    with pytest.raises(StaleJobError):
        await desk.messages.deliver(stale, FILES, None)
    assert len(desk.in_channel()) == 1


async def test_a_nonce_fits_and_differs_from_part_to_part(desk: Desk) -> None:
    order = await desk.order()
    assert await desk.deliver(order, FILES) is Delivery.SENT
    nonces = {message.nonce for message in desk.in_channel()[1:]}
    assert len(nonces) == 2
    assert all(nonce is not None and len(nonce) <= 25 for nonce in nonces)
