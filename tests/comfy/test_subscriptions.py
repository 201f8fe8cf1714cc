import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from bot.comfy.frames import Frame, PromptFrame, parse_binary, parse_text
from bot.comfy.subscriptions import MAX_BLOCKED, MAX_EXPANDED, PromptSubscription, PromptSubscriptions
from bot.workflow.run.events import (
    FailureKind,
    NodesCached,
    NodeStarted,
    OutputRef,
    OutputsWritten,
    Preview,
    Progress,
    RunEnded,
    RunEvent,
    RunFailure,
    RunStarted,
)
from tests.clocks import ManualClock

ID = "d3df08b5-3cf0-4d91-8424-6f54990f1d08"


def frame(kind: str, prompt_id: str = ID, **data: Any) -> PromptFrame:
    """Return what becomes of a frame of the server."""
    parsed = parse_text(json.dumps({"type": kind, "data": {"prompt_id": prompt_id, **data}}))
    assert isinstance(parsed, PromptFrame)
    return parsed


def preview(data: bytes) -> Frame | None:
    metadata = json.dumps({"node_id": "3", "prompt_id": ID, "image_type": "image/jpeg"}).encode()
    return parse_binary(struct.pack(">II", 4, len(metadata)) + metadata + data)


def blocked(prompt_id: str = ID, message: str = "") -> PromptFrame:
    error = {"node_id": "9", "node_type": "SaveImage", "exception_type": "ExecutionBlocked"}
    return frame("execution_error", prompt_id, exception_message=message, **error)


@pytest.fixture
def subscriptions() -> PromptSubscriptions:
    return PromptSubscriptions(clock=ManualClock())


@pytest.fixture
def subscription(subscriptions: PromptSubscriptions) -> Iterator[PromptSubscription]:
    with subscriptions.open(ID) as subscription:
        yield subscription


async def received(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription, *frames: Frame | None
) -> list[RunEvent]:
    """Return the events that the subscriber receives for frames, without the end that follows them."""
    for each in (*frames, frame("executing", node=None)):
        assert isinstance(each, PromptFrame)
        subscriptions.dispatch(each, connection=1)
    return [event async for event in subscription.channel][:-1]


async def test_the_subscriber_receives_a_whole_run(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription
):
    frames = (
        frame("execution_start"),
        frame("execution_cached", nodes=["4"]),
        frame("executing", node="3", display_node="3"),
        frame("progress", node="3", value=1, max=4),
        preview(b"picture"),
        frame("executed", node="9", output={"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}),
        frame("execution_success"),
    )

    assert await received(subscriptions, subscription, *frames) == [
        RunStarted(),
        NodesCached(("4",)),
        NodeStarted("3"),
        Progress("3", 1, 4),
        Preview(b"picture", "image/jpeg"),
        OutputsWritten((OutputRef("9", "a.png", "", "output"),)),
    ]


async def test_a_run_that_was_joined_late_starts_with_its_first_node(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription
):
    assert await received(subscriptions, subscription, frame("executing", node="3")) == [RunStarted(), NodeStarted("3")]


async def test_expanded_nodes_are_reported_as_the_visible_one(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription
):
    frames = (
        frame("progress_state", nodes={"1.0.0.3": {"display_node_id": "1", "state": "running"}}),
        frame("progress", node="1.0.0.3", value=2, max=4),
        frame("executing", node="1.0.0.4", display_node="1"),
        frame("progress", node="1.0.0.4", value=1, max=4),
    )

    assert await received(subscriptions, subscription, *frames[:2]) == [Progress("1", 2, 4)]
    subscription.channel.closed = False
    assert await received(subscriptions, subscription, *frames[2:]) == [
        RunStarted(),
        NodeStarted("1"),
        Progress("1", 1, 4),
    ]


async def test_a_loop_of_expanded_nodes_takes_a_bounded_memory(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription
):
    for number in range(MAX_EXPANDED + 1):
        subscriptions.dispatch(frame("executing", node=f"1.{number}", display_node="1"), connection=1)

    assert len(subscription._display_nodes) == MAX_EXPANDED


async def test_no_cached_nodes_and_no_files_are_no_news(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription
):
    frames = frame("execution_cached", nodes=[]), frame("executed", node="9", output=None)

    assert await received(subscriptions, subscription, *frames) == []


async def test_frames_of_others_are_dropped(subscriptions: PromptSubscriptions, subscription: PromptSubscription):
    foreign = (frame("execution_start", "other"), frame("executing", "other", node=None))

    assert await received(subscriptions, subscription, *foreign) == []
    assert subscriptions.foreign == len(foreign)


@pytest.mark.parametrize("kind", ["execution_success", "execution_interrupted", "execution_error"])
async def test_an_announced_end_is_not_yet_the_end(
    subscriptions: PromptSubscriptions, subscription: PromptSubscription, kind: str
):
    subscriptions.dispatch(frame(kind), connection=1)

    assert subscription.end_announced
    assert not subscription.over


async def test_a_block_is_remembered_after_the_subscription(subscriptions: PromptSubscriptions):
    with subscriptions.open(ID) as subscription:
        await received(subscriptions, subscription, blocked(message="Execution Blocked: nsfw"))
        assert not subscription.end_announced  # a success follows

    assert subscriptions.blocked(ID) == RunFailure(FailureKind.BLOCKED, "9", "SaveImage", "Execution Blocked: nsfw")


async def test_only_so_many_blocks_are_remembered(subscriptions: PromptSubscriptions):
    ids = [f"prompt {number}" for number in range(MAX_BLOCKED + 1)]
    for prompt_id in ids:
        with subscriptions.open(prompt_id):
            subscriptions.dispatch(blocked(prompt_id), connection=1)

    assert subscriptions.blocked(ids[0]) is None
    assert subscriptions.blocked(ids[-1]) is not None


async def test_nothing_is_received_after_the_end(subscriptions: PromptSubscriptions, subscription: PromptSubscription):
    for each in (frame("execution_start"), frame("executing", node=None)) * 2:
        subscriptions.dispatch(each, connection=1)

    assert [event async for event in subscription.channel] == [RunStarted(), RunEnded()]
    assert subscription.over
