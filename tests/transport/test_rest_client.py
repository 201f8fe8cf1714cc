"""A process without a gateway: it only logs in, and delivers all the same."""

import asyncio
import logging

import discord
import pytest

from bot.jobs.job import Delivery, JobState
from bot.ui.client.rest import RestClient
from tests.transport.conftest import until
from tests.transport.delivery_setup import (
    opened_desk,
    picture,
    rest_client,
    widths,
)
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

POST = r"POST .*/channels/\d+/messages"
FILES = [picture(number) for number in range(1, 23)]
SHOWN = [list(range(1, 11)), list(range(11, 21)), [21, 22]]


async def nothing() -> None:
    return


async def test_it_learns_who_it_is_and_connects_to_no_gateway(caplog: pytest.LogCaptureFixture) -> None:
    async with WireDiscord() as wire, pointed_at(wire), rest_client(wire) as client:
        assert client.application_id == wire.world.application_id
        assert client.user is not None
        await asyncio.sleep(0.1)
        assert wire.counters.identifies == 0
        assert not [entry for entry in wire.requests if "gateway" in entry.path]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_it_ends_when_it_is_closed_whatever_was_started_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ends: list[str] = []

    async def on_close() -> None:
        ends.append("what was started")

    async with WireDiscord() as wire, pointed_at(wire):
        client = RestClient(on_setup=nothing, on_close=on_close, api_url=wire.api_url)
        working = asyncio.create_task(client.start("wire-token"))
        await until(lambda: "logged in to Discord" in caplog.text)
        assert not working.done()
        await client.close()
        await client.close()
        await working
    assert ends == ["what was started"]


async def test_a_token_that_discord_does_not_know_is_said_at_once() -> None:
    async with WireDiscord() as wire, pointed_at(wire):
        wire.state.bot_token = "another"
        client = RestClient(on_setup=nothing, on_close=nothing, api_url=wire.api_url)
        with pytest.raises(discord.LoginFailure):
            await client.start("wire-token")
        await client.close()


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after ten minutes"])
async def test_the_further_messages_of_a_result_are_posted_once_although_it_dies_meanwhile(late: bool) -> None:
    async with WireDiscord() as wire, opened_desk(wire, by_rest=True) as desk:
        order = await desk.order()
        held_up = wire.state.delay(POST, 30.0, after=True)
        telling = asyncio.create_task(desk.deliver(order, FILES))
        await until(lambda: held_up.hits and len(desk.in_channel()) == 2)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        if late:
            desk.let_ten_minutes_pass()  # it must look into the channel
        order.job = await desk.stored(order)
        assert order.job.state is JobState.DELIVERING
        async with desk.restarted() as after:
            assert await after.deliver(order, FILES) is Delivery.SENT
        assert [widths(message) for message in desk.in_channel()] == SHOWN
        assert all(message.reference == order.message.id for message in desk.in_channel()[1:])


async def test_a_result_in_direct_messages_is_delivered_by_the_bots_own_token() -> None:
    async with WireDiscord() as wire, opened_desk(wire, by_rest=True) as desk:
        order = await desk.order(context=1)
        order.asked.expire()
        assert await desk.deliver(order, [picture(5)]) is Delivery.SENT
        assert widths(order.message) == [5]
        assert order.message.edits[-1].via == "bot"
