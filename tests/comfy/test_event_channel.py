import asyncio

from bot.comfy.subscriptions import MAX_UNREAD, EventChannel
from bot.workflow.run.events import (
    NodeStarted,
    Preview,
    Progress,
    RunEnded,
    RunEvent,
    RunLost,
    RunStarted,
)


async def read(channel: EventChannel) -> list[RunEvent]:
    return [event async for event in channel]


async def test_events_come_in_order_and_the_end_ends():
    channel = EventChannel()
    for event in (RunStarted(), NodeStarted("3"), RunEnded()):
        channel.put(event)

    assert await read(channel) == [RunStarted(), NodeStarted("3"), RunEnded()]


async def test_a_slow_reader_gets_the_newest_progress_and_preview_only():
    channel = EventChannel()
    for step in range(100):
        channel.put(Progress("3", step, 100))
        channel.put(Preview(b"%d" % step, "image/jpeg"))
    channel.put(RunLost())

    assert await read(channel) == [Progress("3", 99, 100), Preview(b"99", "image/jpeg"), RunLost()]


async def test_a_reader_that_never_reads_costs_a_bounded_number_of_events():
    channel = EventChannel()
    for number in range(3 * MAX_UNREAD):
        channel.put(NodeStarted(str(number)))
    channel.put(RunEnded())
    events = await read(channel)

    assert len(events) == MAX_UNREAD
    assert events[-1] == RunEnded()


async def test_nothing_follows_the_end():
    channel = EventChannel()
    channel.put(RunEnded())
    channel.put(RunLost())
    channel.put(NodeStarted("1"))

    assert channel.closed
    assert await read(channel) == [RunEnded()]
    assert await read(channel) == []


async def test_a_waiting_reader_wakes_up():
    channel = EventChannel()
    reader = asyncio.create_task(read(channel))
    await asyncio.sleep(0)
    channel.put(RunStarted())
    await asyncio.sleep(0)
    channel.put(RunEnded())

    assert await reader == [RunStarted(), RunEnded()]
