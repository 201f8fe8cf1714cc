"""Each refusal of Discord by name: what the end of a job comes to, and who is told what."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bot.errors import FailedError, OfflineError
from bot.i18n import _
from bot.jobs.job import Delivery, StaleJobError
from tests.transport.conftest import until
from tests.transport.delivery_setup import (
    MEMBER,
    Desk,
    opened_desk,
    picture,
)
from tests.wire import Rate, WireChannel, WireDiscord
from tests.wire.places import ATTACH_FILES, MEMBER_PERMISSIONS, SEND_IN_THREADS, SEND_MESSAGES, VIEW_CHANNEL

BY_TOKEN, BY_BOT, ANY = r"PATCH .*/webhooks/", r"PATCH .*/channels/\d+/messages", r"PATCH .*/messages"
OWNER = 1
THREAD = 11


@pytest.fixture(params=["gateway", "REST only"])
async def desk(request: pytest.FixtureRequest) -> AsyncGenerator[Desk]:
    async with WireDiscord() as wire, opened_desk(wire, by_rest=request.param == "REST only") as desk:
        yield desk


def sent(desk: Desk, route: str) -> list[int]:
    """Return the statuses of the edits by a route, oldest first."""
    return [
        entry.status for entry in desk.wire.requests if entry.method == "PATCH" and entry.template.startswith(route)
    ]


@pytest.mark.parametrize(
    ("status", "code"), [(401, 50027), (404, 10015), (404, 10062), (403, 50013), (404, 10008), (400, 50035)]
)
async def test_a_token_that_is_refused_leaves_it_to_the_bots_own(desk: Desk, status: int, code: int) -> None:
    order = await desk.order()
    fault = desk.wire.state.fail(BY_TOKEN, status, code, times=None)
    assert await desk.deliver(order, [picture()]) is Delivery.SENT
    assert [edit.via for edit in order.message.edits] == ["callback", "bot"]
    assert fault.hits == 1
    assert len(order.message.attachments) == 1
    assert desk.told_directly() == []
    assert await desk.messages.deliver(await desk.stored(order), [picture()], None) is Delivery.SENT
    assert fault.hits == (1 if status in (401, 403, 404) else 2), "what was refused is not asked for again"


async def test_a_deleted_message_is_confirmed_once_and_its_member_told_once(desk: Desk) -> None:
    order = await desk.order()
    order.message.delete()
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    [told] = desk.told_directly()
    assert "deleted" in told
    assert "/history" in told
    assert (sent(desk, "/webhooks"), sent(desk, "/channels")) == ([404], [404])
    assert (await desk.stored(order)).told
    assert await desk.messages.deliver(await desk.stored(order), [picture()], None) is Delivery.UNDELIVERABLE
    assert (sent(desk, "/webhooks"), sent(desk, "/channels")) == ([404], [404]), "what is gone stays gone"
    assert len(desk.told_directly()) == 1


async def test_a_deleted_message_of_a_failed_job_has_its_reason_told(desk: Desk) -> None:
    order = await desk.order()
    order.message.delete()
    assert await desk.fail(order, _("Out of memory.")) is Delivery.UNDELIVERABLE
    [told] = desk.told_directly()
    assert "Out of memory." in told


async def test_a_deleted_channel_ends_in_the_history(desk: Desk) -> None:
    order = await desk.order()
    await desk.wire.delete_channel(order.message.channel)
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    [told] = desk.told_directly()
    assert "channel no longer exists" in told


@pytest.mark.parametrize("code", [50007, 50278, 40003])
async def test_who_may_not_be_written_to_finds_the_result_in_the_history(desk: Desk, code: int) -> None:
    order = await desk.order()
    order.message.delete()
    fault = desk.wire.state.fail(r"POST .*/channels/", 403, code, times=None)
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    assert fault.hits == 1, "asked once, not again"


@pytest.mark.parametrize("people", ["closed_dms", "strangers"])
async def test_closed_direct_messages_are_no_fault(desk: Desk, people: str) -> None:
    order = await desk.order()
    order.message.delete()
    getattr(desk.wire.state, people).add(MEMBER)
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    assert desk.told_directly() == []


async def test_nobody_is_told_twice_though_the_bot_dies_while_it_writes(desk: Desk) -> None:
    order = await desk.order()
    order.message.delete()
    desk.wire.state.drop(r"POST .*/channels/", after=True)
    assert await desk.messages.deliver(order.job, [picture()], None) is Delivery.UNDELIVERABLE
    order.job = await desk.stored(order)
    async with desk.restarted() as after:
        assert await after.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    assert len(desk.told_directly()) == 1


@pytest.mark.parametrize(
    ("permissions", "name"),
    [
        (MEMBER_PERMISSIONS & ~VIEW_CHANNEL, "View Channel"),
        (MEMBER_PERMISSIONS & ~ATTACH_FILES, "Attach Files"),
    ],
)
async def test_a_missing_permission_is_named_to_the_owner_once_a_day(desk: Desk, permissions: int, name: str) -> None:
    orders = [await desk.order(), await desk.order()]
    await desk.wire.allow(desk.wire.guild.channels[0], permissions)
    for order in orders:
        order.asked.expire()
        assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    [told] = desk.told_directly(OWNER)
    assert name in told
    assert "#general" in told
    members = desk.told_directly()
    assert len(members) == 2
    assert all(name in text for text in members)


@pytest.mark.parametrize(
    ("denied", "names"),
    [
        (ATTACH_FILES | SEND_MESSAGES, "missing: **Attach Files**"),
        (SEND_IN_THREADS, "missing: **Send Messages in Threads, Attach Files**"),
    ],
)
async def test_what_is_missing_in_a_thread_is_named_too(desk: Desk, denied: int, names: str) -> None:
    thread = await thread_of(desk)
    await desk.wire.gateway.dispatch("THREAD_CREATE", desk.wire.world.channel_payload(thread), guild=desk.wire.guild.id)
    order = await desk.order(channel=thread)
    await desk.wire.allow(desk.wire.guild.channels[0], MEMBER_PERMISSIONS & ~denied)
    thread.app_permissions = MEMBER_PERMISSIONS & ~ATTACH_FILES
    order.asked.expire()
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    [told] = desk.told_directly(OWNER)
    assert names in told
    assert "#talk" in told


async def test_discord_is_asked_for_the_permissions_of_a_channel_only_when_they_are_not_known(desk: Desk) -> None:
    orders = [await desk.order() for _ in range(3)]
    await desk.wire.allow(desk.wire.guild.channels[0], MEMBER_PERMISSIONS & ~ATTACH_FILES)
    for order in orders:
        order.asked.expire()
        assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    asked = [entry.template for entry in desk.wire.requests if entry.template.startswith("/guilds/")]
    assert len(asked) == (0 if desk.client is desk.trial.bot else 3), "once for three jobs"


async def test_who_cannot_be_asked_for_permissions_does_not_hold_up_the_end(desk: Desk) -> None:
    order = await desk.order()
    await desk.wire.allow(desk.wire.guild.channels[0], MEMBER_PERMISSIONS & ~ATTACH_FILES)
    fault = desk.wire.state.drop(r"GET .*/guilds/\d+", times=None)
    order.asked.expire()
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    assert len(desk.told_directly(OWNER)) == (0 if fault.hits else 1)
    assert len(desk.told_directly()) == 1


async def test_a_missing_permission_that_nobody_knows_of_is_told_to_the_member_alone(desk: Desk) -> None:
    order = await desk.order()
    desk.wire.state.fail(ANY, 403, 50013, times=None)
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    assert desk.told_directly(OWNER) == []
    assert len(desk.told_directly()) == 1


async def thread_of(desk: Desk) -> WireChannel:
    parent = desk.wire.guild.channels[0]
    thread = WireChannel(
        desk.wire.world.snowflakes.next(), "talk", kind=THREAD, guild_id=desk.wire.guild.id, parent_id=parent.id
    )
    desk.wire.world.channels[thread.id] = thread
    desk.wire.guild.channels.append(thread)
    return thread


async def test_a_sleeping_thread_is_woken(desk: Desk) -> None:
    thread = await thread_of(desk)
    order = await desk.order(channel=thread)
    order.asked.expire()
    thread.archived = True
    assert await desk.deliver(order, [picture()]) is Delivery.SENT
    assert not thread.archived
    assert len(order.message.attachments) == 1


async def test_a_locked_thread_is_left_alone(desk: Desk) -> None:
    thread = await thread_of(desk)
    order = await desk.order(channel=thread)
    order.asked.expire()
    thread.archived = thread.locked = True
    assert await desk.deliver(order, [picture()]) is Delivery.UNDELIVERABLE
    [told] = desk.told_directly()
    assert "locked" in told
    assert len([status for status in sent(desk, "/channels/{channel_id}") if status != 401]) == 2, "one edit, one wake"


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (413, 50045), (400, 50045), (413, 0)])
async def test_files_that_are_too_large_come_smaller(desk: Desk, status: int, code: int) -> None:
    order = await desk.order()
    large = picture(size=300_000)
    desk.wire.state.fail(BY_TOKEN, status, code)
    assert await desk.deliver(order, [large]) is Delivery.SENT
    [file] = order.message.attachments
    assert len(file.data) < 0.7 * len(large.data)


async def test_files_that_are_always_too_large_are_said_to_be(desk: Desk) -> None:
    order = await desk.order()
    desk.wire.state.fail(ANY, 413, 40005, times=None)
    assert "too large" in await desk.refused(order, [picture(size=300_000)])


async def test_a_result_that_discord_never_takes_gives_last_words(desk: Desk) -> None:
    order = await desk.order()
    fault = desk.wire.state.fail(ANY, 400, 50035, times=None)
    assert "Discord rejected the result" in await desk.refused(order, [picture()])
    assert fault.hits == 2, "by each way once"


@pytest.mark.parametrize(
    ("status", "code", "retry_after"), [(429, 30046, 0.01), (429, 0, 0.01)], ids=["old message", "too fast"]
)
async def test_who_is_too_fast_waits_and_comes_through(desk: Desk, status: int, code: int, retry_after: float) -> None:
    order = await desk.order()
    body = {"message": "slower", "code": code, "retry_after": retry_after, "global": False}
    desk.wire.state.fail(BY_TOKEN, status, code, body=body, times=7)
    assert await desk.deliver(order, [picture()]) is Delivery.SENT
    assert [edit.via for edit in order.message.edits] == ["callback", "token"]


async def test_the_ration_for_old_messages_is_kept(desk: Desk) -> None:
    desk.wire.state.old_edit_rate, desk.wire.state.old_after = Rate(1, 0.3), -1.0
    orders = [await desk.order(), await desk.order()]
    for order in orders:
        assert await desk.deliver(order, [picture()]) is Delivery.SENT


async def test_a_discord_in_trouble_is_asked_again_later(desk: Desk) -> None:
    order = await desk.order()
    fault = desk.wire.state.drop(ANY, times=4)
    assert await desk.deliver(order, [picture()]) is Delivery.PENDING
    assert fault.hits == 4
    assert (await desk.stored(order)).delivery is Delivery.PENDING
    assert await desk.deliver(order, [picture()]) is Delivery.SENT
    assert desk.told_directly() == []


@pytest.mark.parametrize("after", [False, True], ids=["request lost", "answer lost"])
async def test_an_edit_that_breaks_off_is_repeated(desk: Desk, after: bool) -> None:
    order = await desk.order()
    desk.wire.state.drop(BY_TOKEN, after=after)
    assert await desk.deliver(order, [picture()]) is Delivery.SENT
    assert len(order.message.attachments) == 1
    assert len(desk.in_channel()) == 1


async def test_who_lost_the_job_while_it_waited_to_try_again_edits_no_more() -> None:
    async with WireDiscord() as wire, opened_desk(wire, speed=4.0) as desk:
        order = await desk.order()
        fault = desk.wire.state.drop(BY_TOKEN)
        telling = asyncio.create_task(desk.deliver(order, [picture()]))
        await until(lambda: fault.hits)
        assert await desk.store.take_over(order.job.id) is not None
        with pytest.raises(StaleJobError):
            await telling
        assert len(order.message.edits) == 1


async def test_a_bot_whose_own_token_is_refused_is_not_the_end(desk: Desk) -> None:
    order = await desk.order()
    order.asked.expire()
    fault = desk.wire.state.fail(BY_BOT, 401, 0)
    assert await desk.deliver(order, [picture()]) is Delivery.PENDING
    assert fault.hits == 1


async def test_an_answer_is_found_by_its_token(desk: Desk) -> None:
    order = await desk.order()
    place = order.job.place
    assert await desk.messages.find_answer(place) == order.message.id
    order.message.delete()
    assert await desk.messages.find_answer(place) is None


async def test_an_answer_is_found_in_the_channel_when_the_token_is_over(desk: Desk) -> None:
    orders = [await desk.order() for _ in range(3)]
    for order in orders:
        order.asked.expire()
    assert [await desk.messages.find_answer(order.job.place) for order in orders] == [
        order.message.id for order in orders
    ]
    orders[1].message.delete()
    with pytest.raises(FailedError):  # who may not read a channel's history sees none either: that proves nothing
        await desk.messages.find_answer(orders[1].job.place)


async def test_a_private_answer_is_not_found_when_the_token_is_over(desk: Desk) -> None:
    order = await desk.order(force_ephemeral=True)
    order.asked.expire()
    with pytest.raises(FailedError, match="run the command again"):
        await desk.messages.find_answer(order.job.place)


async def test_whether_there_was_an_answer_stays_open_while_discord_is_away(desk: Desk) -> None:
    order = await desk.order()
    desk.wire.state.fail(r"GET .*/webhooks/", 429, body="too many requests")
    with pytest.raises(OfflineError):
        await desk.messages.find_answer(order.job.place)
    order.asked.expire()
    desk.wire.state.fail(r"GET .*/channels/", 429, body="too many requests")
    with pytest.raises(OfflineError):
        await desk.messages.find_answer(order.job.place)
    assert await desk.messages.find_answer(order.job.place) == order.message.id
