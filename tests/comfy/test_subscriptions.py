from collections.abc import Iterator

import pytest

from bot.comfy.events import (
    Event,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionStart,
    ExecutionSuccess,
    NodeProgress,
    NodeState,
    NodeText,
    PreviewImage,
    PreviewWithMetadata,
    ProgressState,
    Status,
)
from bot.comfy.idle_hook import no_idle_hook
from bot.comfy.subscriptions import MAX_BLOCKED, PromptSubscription, PromptSubscriptions
from bot.workflow.run.events import (
    FailureKind,
    NodesCached,
    NodeStarted,
    Preview,
    Progress,
    RunEnded,
    RunEvent,
    RunFailure,
    RunStarted,
)
from tests.clocks import ManualClock

ID = "d3df08b5-3cf0-4d91-8424-6f54990f1d08"
OVER = Executing(ID, None, "")


@pytest.fixture
def watches() -> PromptSubscriptions:
    return PromptSubscriptions(clock=ManualClock(), park=no_idle_hook)


@pytest.fixture
def watch(watches: PromptSubscriptions) -> Iterator[PromptSubscription]:
    with watches.open(ID) as watch:
        yield watch


async def told(watches: PromptSubscriptions, watch: PromptSubscription, *events: Event) -> list[RunEvent]:
    for event in (*events, OVER):
        watches.dispatch(event, connection=1)
    return [event async for event in watch.channel][:-1]


async def test_a_story_is_retold_in_the_words_of_the_bot(watches: PromptSubscriptions, watch: PromptSubscription):
    events = (
        ExecutionStart(ID),
        ExecutionCached(ID, ("4",)),
        Executing(ID, "3", "3"),
        NodeProgress(ID, "3", 1, 4),
        PreviewWithMetadata(ID, "3", "image/jpeg", b"picture"),
        ExecutionSuccess(ID),
    )

    assert await told(watches, watch, *events) == [
        RunStarted(),
        NodesCached(("4",)),
        NodeStarted("3"),
        Progress("3", 1, 4),
        Preview(b"picture", "image/jpeg"),
    ]


async def test_a_run_that_was_joined_late_starts_with_its_first_node(
    watches: PromptSubscriptions, watch: PromptSubscription
):
    assert await told(watches, watch, Executing(ID, "3", "3")) == [RunStarted(), NodeStarted("3")]


async def test_expanded_nodes_are_told_as_the_visible_one(watches: PromptSubscriptions, watch: PromptSubscription):
    events = (
        ProgressState(ID, (NodeState("1.0.0.3", "1", "running"),)),
        NodeProgress(ID, "1.0.0.3", 2, 4),
        Executing(ID, "1.0.0.4", "1"),
    )

    assert await told(watches, watch, *events) == [Progress("1", 2, 4), RunStarted(), NodeStarted("1")]


async def test_no_cached_nodes_are_no_news(watches: PromptSubscriptions, watch: PromptSubscription):
    assert await told(watches, watch, ExecutionCached(ID, ())) == []


async def test_frames_that_name_nobody_or_others_are_dropped(watches: PromptSubscriptions, watch: PromptSubscription):
    foreign = (ExecutionStart("other"), Executing("", "2", "2"), Executing("other", None, ""))
    anonymous = (Status(1), PreviewImage("image/png", b"x"), NodeText("3", "x"))

    assert await told(watches, watch, *foreign, *anonymous) == []
    assert watches.foreign == len(foreign)


async def test_a_block_is_remembered_after_the_watch(watches: PromptSubscriptions):
    with watches.open(ID) as watch:
        await told(watches, watch, ExecutionError(ID, "9", "SaveImage", "ExecutionBlocked", "Execution Blocked: nsfw"))
        assert not watch.settling  # a success follows

    assert watches.blocked(ID) == RunFailure(FailureKind.BLOCKED, "9", "SaveImage", "Execution Blocked: nsfw")


async def test_only_so_many_blocks_are_remembered(watches: PromptSubscriptions):
    ids = [f"prompt {number}" for number in range(MAX_BLOCKED + 1)]
    for prompt_id in ids:
        with watches.open(prompt_id):
            watches.dispatch(ExecutionError(prompt_id, "9", "X", "ExecutionBlocked", ""), connection=1)

    assert watches.blocked(ids[0]) is None
    assert watches.blocked(ids[-1]) is not None


async def test_after_the_end_nothing_more_is_told(watches: PromptSubscriptions, watch: PromptSubscription):
    for event in (ExecutionStart(ID), OVER, ExecutionStart(ID), OVER):
        watches.dispatch(event, connection=1)

    assert [event async for event in watch.channel] == [RunStarted(), RunEnded()]
    assert watch.over
