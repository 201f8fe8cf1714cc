"""Answers that only their member sees: the bot's own token cannot edit them, and a restart must not lose them."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.requests import is_over, shows, sizes
from tests.faults.single_process import Installation
from tests.faults.token_aging import hours_pass
from tests.transport.conftest import until
from tests.wire import WireInteraction

pytestmark = pytest.mark.timeout(60)

MEMBER = 77
SIZE = (88, 64)


async def private_job(house: Installation, age: float = 0.0) -> WireInteraction:
    """Order a picture where the bot may not speak publicly; return when ComfyUI works on it."""
    house.comfy.state.seconds_per_step = 0.5
    options = {"prompt": "x", "width": SIZE[0], "height": SIZE[1], "steps": 8}
    job = await house.wire.slash("imagine", options, user_id=MEMBER, force_ephemeral=True, age=age)
    await until(lambda: house.comfy.state.seen.frames["progress"])
    return job


async def history_of(house: Installation, user_id: int) -> list[tuple[int, int]]:
    """Return the sizes of the newest pictures that a member finds in their history."""
    while True:  # until it is there; the test's own time limit ends this
        listing = (await house.wire.slash("history", user_id=user_id)).message
        assert listing is not None
        menu = next((entry for entry in listing.buttons.values() if entry.get("options")), None)
        if menu is not None:
            break
        await asyncio.sleep(0.5)
    chosen = [menu["options"][0]["value"]]
    answer = await house.wire.component(listing, menu["custom_id"], values=chosen, user_id=user_id)
    return sizes(await answer.wait_for(lambda message: bool(message.attachments), 10.0))


async def test_a_private_answer_goes_on_after_a_restart(house: Installation) -> None:
    job = await private_job(house)
    await house.kill()
    await house.start()
    assert sizes(await job.wait_for(is_over, 30.0)) == [SIZE]


async def test_the_button_of_a_killed_bot_is_answered_by_the_next(house: Installation) -> None:
    job = await private_job(house, age=818.0)
    message = await job.wait_for(lambda message: bool(shows(message)), 20.0)
    [button] = shows(message)
    await house.kill()
    job.expire()
    await house.start()
    await until(
        lambda: house.comfy.state.seen.frames["execution_success"] or house.comfy.state.seen.requests["GET /view"]
    )
    press = await house.wire.component(message, button, user_id=MEMBER)
    assert sizes(await press.wait_for(is_over, 30.0)) == [SIZE]
    assert len(house.comfy.state.seen.prompts) == 1


async def test_what_nobody_can_edit_any_more_waits_and_is_told_once(house: Installation, tmp_path: Path) -> None:
    job = await private_job(house)
    await house.kill()
    hours_pass(tmp_path / "comfycord.db", [job])
    await house.start()
    await until(lambda: house.wire.direct_messages(MEMBER), 30.0)
    await house.kill()
    await house.start()
    assert await history_of(house, MEMBER) == [SIZE]
    [message] = house.wire.direct_messages(MEMBER)
    assert "/history" in message.text
    assert len(house.comfy.state.seen.prompts) == 1
