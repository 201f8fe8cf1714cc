"""The edit budget: newest state wins, never too often, and the final edit is never overtaken."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from bot.ui.messages.edit_throttle import EditBudget, MessageClosedError, ProgressEditor
from tests.clocks import ManualClock, settle


class Wire:
    """Records what is sent, and when; `gate` holds a send back."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def send(self, state: str) -> None:
        await self.gate.wait()
        if self.error:
            raise self.error
        self.sent.append((self.clock.monotonic(), state))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start=0.0)


@pytest.fixture
def wire(clock: ManualClock) -> Wire:
    return Wire(clock)


def editor(wire: Wire, budget: EditBudget | None = None, **options: Any) -> ProgressEditor[str]:
    return ProgressEditor(wire.send, clock=wire.clock, budget=budget or EditBudget(clock=wire.clock), **options)


async def test_newest_state_wins_and_edits_keep_their_distance(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    for tenth in range(60):
        progress.show(f"state {tenth}")
        await clock.advance(0.1)
    await clock.advance(5)
    times = [at for at, _ in wire.sent]
    assert times[0] >= 1.5, "the message was only just created"
    assert all(later - earlier >= 1.5 for earlier, later in pairwise(times))
    assert wire.sent[-1][1] == "state 59"
    assert len(wire.sent) <= 5


async def test_nothing_is_sent_twice(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    for _ in range(10):
        progress.show("same")
        await clock.advance(2)
    assert [state for _, state in wire.sent] == ["same"]


async def test_nothing_follows_the_end(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    progress.show("waits for its time")
    await settle()
    await progress.finish()
    progress.show("late")
    await clock.advance(60)
    assert wire.sent == []


async def test_the_end_lets_an_edit_on_the_wire_arrive_first(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    wire.gate.clear()
    progress.show("on the wire")
    await clock.advance(2)
    ending = asyncio.create_task(progress.finish())
    await settle()
    assert not ending.done()
    wire.gate.set()
    await ending
    assert [state for _, state in wire.sent] == ["on the wire"]


async def test_a_closed_message_is_left_alone(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    wire.error = MessageClosedError("gone")
    progress.show("one")
    await clock.advance(2)
    wire.error = None
    progress.show("two")
    await clock.advance(10)
    assert wire.sent == []


async def test_a_passing_fault_does_not_end_the_progress(
    clock: ManualClock, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    progress = editor(wire)
    wire.error = ConnectionResetError()
    progress.show("one")
    await clock.advance(2)
    wire.error = None
    progress.show("two")
    await clock.advance(10)
    assert [state for _, state in wire.sent] == ["two"]
    assert "a progress edit failed" in caplog.text


async def test_old_messages_are_edited_rarely(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    await clock.advance(3600)
    for second in range(240):
        progress.show(f"state {second}")
        await clock.advance(1)
    assert 3 <= len(wire.sent) <= 5


async def test_a_message_from_before_a_restart_is_as_old_as_it_is(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire, age=3600.0)
    for second in range(240):
        progress.show(f"state {second}")
        await clock.advance(1)
    assert 3 <= len(wire.sent) <= 5


async def test_what_a_member_waits_for_is_shown_at_once(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire, age=3600.0, at_once=True)
    progress.show("pressed")
    await clock.advance(0.1)
    assert [state for _, state in wire.sent] == ["pressed"]


async def test_a_process_that_stood_still_keeps_to_itself_what_it_had_to_say(clock: ManualClock, wire: Wire) -> None:
    progress = editor(wire)
    progress.show("half done")
    await settle()
    clock.stand_still(60.0)
    await clock.advance(5.0)
    assert wire.sent == []
    progress.show("news")
    await clock.advance(5.0)
    assert [state for _, state in wire.sent] == ["news"]


async def test_many_messages_share_the_budget_in_turn(clock: ManualClock, wire: Wire) -> None:
    budget = EditBudget(clock=clock, per_second=10)
    editors = [editor(wire, budget) for _ in range(50)]
    for second in range(20):
        for number, progress in enumerate(editors):
            progress.show(f"{number}:{second}")
        await clock.advance(1)
    assert len(wire.sent) <= 10 * 20
    shares = [sum(state.startswith(f"{number}:") for _, state in wire.sent) for number in range(50)]
    assert max(shares) - min(shares) <= 1


async def test_of_several_processes_each_has_its_share_of_the_budget(clock: ManualClock, wire: Wire) -> None:
    shares = [0.25]
    budget = EditBudget(clock=clock, per_second=10, share=lambda: shares[0])
    for number in range(8):
        editor(wire, budget).show(f"job {number}")
    await clock.advance(1.5 + 1.5)
    times = [at for at, _ in wire.sent]
    assert len(times) == 4
    assert all(later - earlier == pytest.approx(0.4) for earlier, later in pairwise(times))
    shares[0] = 1.0  # the others are gone
    await clock.advance(3)
    assert len(wire.sent) == 8
