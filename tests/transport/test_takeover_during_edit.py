"""Jobs that another process takes over while an edit of ours is on its way to their message."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from bot.jobs.status import QueuedStatus, RunningStatus
from tests.transport.conftest import until
from tests.transport.delivery_setup import (
    MEMBER,
    Desk,
    opened_desk,
    picture,
)
from tests.wire import WireDiscord

EDIT = r"PATCH .*/messages"


@pytest.fixture
async def desk() -> AsyncGenerator[Desk]:
    async with WireDiscord() as wire, opened_desk(wire) as desk:
        yield desk


async def test_what_was_not_sent_is_never_sent_after_a_job_was_forgotten(desk: Desk) -> None:
    order = await desk.order()
    desk.messages.update(order.job, QueuedStatus(7, 9))
    assert not desk.messages.forget(order.job.id)
    assert not desk.messages.forget(order.job.id)
    await desk.clock.sleep(10.0)
    assert len(order.message.edits) == 1
    await desk.messages.wait_for_edit(order.job.id)


async def test_an_edit_on_its_way_is_said_to_be_and_waited_for(desk: Desk) -> None:
    order = await desk.order()
    held_up = desk.wire.state.delay(EDIT, 0.4)
    desk.messages.update(order.job, QueuedStatus(7, 9))
    await until(lambda: held_up.hits)
    desk.messages.update(order.job, QueuedStatus(6, 9))
    assert desk.messages.forget(order.job.id)
    assert desk.messages.forget(order.job.id), "it still is"
    assert len(order.message.edits) == 1
    await desk.messages.wait_for_edit(order.job.id)
    assert len(order.message.edits) == 2
    assert not desk.messages.forget(order.job.id)
    await desk.clock.sleep(10.0)
    assert len(order.message.edits) == 2


async def test_an_edit_under_an_older_token_counts_too(desk: Desk) -> None:
    order = await desk.order()
    held_up = desk.wire.state.delay(EDIT, 0.4)
    desk.messages.update(order.job, QueuedStatus(7, 9))
    await until(lambda: held_up.hits)
    fresh = replace(order.job.place, token="another", token_expires=order.job.place.token_expires + 1)
    desk.messages.use_fresh_token(replace(order.job, place=fresh))
    assert desk.messages.forget(order.job.id)
    await desk.messages.wait_for_edit(order.job.id)
    assert len(order.message.edits) == 2


async def test_a_job_that_comes_back_is_shown_again(desk: Desk) -> None:
    order = await desk.order()
    desk.messages.update(order.job, QueuedStatus(7, 9))
    desk.messages.forget(order.job.id)
    desk.messages.update(order.job, RunningStatus(elapsed=1.0, fraction=0.5))
    await until(lambda: len(order.message.edits) == 2)
    assert "50" in order.message.text
    assert order.job.requester.user_id == MEMBER


async def test_nobody_waits_long_for_an_edit_when_the_process_ends(desk: Desk) -> None:
    order = await desk.order()
    held_up = desk.wire.state.delay(EDIT, 20.0)
    desk.messages.update(order.job, QueuedStatus(7, 9))
    await until(lambda: held_up.hits)
    assert desk.messages.forget(order.job.id)
    async with asyncio.timeout(5):
        await desk.messages.close()


async def test_how_far_a_job_is_can_be_asked_until_it_has_ended(desk: Desk) -> None:
    order = await desk.order()
    desk.messages.update(order.job, RunningStatus(elapsed=1.0))
    assert desk.board.fraction(order.job.id) is None
    desk.messages.update(order.job, RunningStatus(elapsed=2.0, fraction=0.5))
    assert desk.board.fraction(order.job.id) == 0.5
    await desk.deliver(order, [picture()])
    assert desk.board.fraction(order.job.id) is None
