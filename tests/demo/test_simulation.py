"""The simulated Discord that the demo and the tests of the cogs stand on, with a small bot of their own."""

from collections.abc import AsyncIterator
from typing import cast

import discord
import pytest

from tests.demo.small_bot import PICTURE, SmallBot
from tests.harness import OptionError, Simulation, simulated


@pytest.fixture
async def sim() -> AsyncIterator[Simulation]:
    async with simulated(SmallBot) as simulation:
        yield simulation


def release(sim: Simulation) -> None:
    cast("SmallBot", sim.bot).release.set()


async def test_an_action_ends_before_the_job_does(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel()
    reply = await ann.slash(art, "imagine", prompt="a fox")
    assert reply.text == "Queued: a fox"
    release(sim)

    seen = {reply.text}
    await sim.until(lambda: seen.add(reply.text) or reply.files)

    assert {"10 %", "50 %", "90 %", "done"} <= seen
    assert reply.files == ["out.png"]
    assert await reply.message.read() == PICTURE
    assert reply.message.accents == [0x23A55A]


async def test_many_jobs_are_on_their_way_at_once(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel()
    replies = [await ann.slash(art, "imagine", prompt=str(number)) for number in range(5)]
    release(sim)
    await sim.until(lambda: all(reply.text == "done" for reply in replies))
    assert len(sim.messages(art)) == 5


async def test_attachments_and_autocomplete(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel()
    assert await ann.autocomplete(art, "look", "kind", "o") == ["oil"]
    reply = await ann.slash(art, "look", picture=("in.png", PICTURE), kind="ink")
    assert reply.text == f"ink: in.png has {len(PICTURE)} bytes"
    assert reply.ephemeral


async def test_a_client_stops_what_a_client_would_stop(sim: Simulation) -> None:
    with pytest.raises(OptionError):
        await sim.member("ann").slash(sim.channel(), "imagine", prompt="x" * 101)


async def test_dialogs(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel()
    opened = await ann.slash(art, "ask")
    assert opened.modal is not None
    assert (await ann.submit(opened, {"name": "Ann"})).text == "Hello Ann"


async def test_interactions_are_complete(sim: Simulation) -> None:
    ann, bob, art = sim.member("ann", locale="de"), sim.member("bob"), sim.channel()
    assert (await ann.slash(art, "whoami")).text == "('de', True, False) 10485760"
    sim.install_for_user()
    assert (await bob.slash(art, "whoami")).text == "('en-US', False, True) 10485760"


async def test_tokens_expire_when_the_clock_is_put_forward(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel()
    reply = await ann.slash(art, "imagine", prompt="late")
    sim.advance(15 * 60)
    release(sim)
    worker = cast("SmallBot", sim.bot).worker
    assert worker is not None
    await sim.until(worker.done)
    assert isinstance(worker.exception(), discord.NotFound)  # Discord would say 401/50027
    assert reply.text == "Queued: late"


async def test_calls_can_be_made_to_fail_and_are_on_record(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel()
    sim.fail("POST", "/interactions/*", status=500)
    await ann.slash(art, "whoami")
    assert [type(error) for error in sim.take_errors()] == [discord.HTTPException]
    assert any(request.path.startswith("/interactions/") for request in sim.requests)


async def test_expected_errors_are_part_of_the_work() -> None:
    async with simulated(SmallBot) as sim:
        await sim.member("ann").slash(sim.channel(), "fail", expected=True)


async def test_mistakes_fail_the_test() -> None:
    with pytest.raises(BaseExceptionGroup, match="mistakes") as caught:
        async with simulated(SmallBot) as sim:
            await sim.member("ann").slash(sim.channel(), "fail", expected=False)
    assert isinstance(caught.value.exceptions[0], KeyError)


async def test_the_bot_is_closed_at_the_end() -> None:
    async with simulated(SmallBot) as sim:
        bot = cast("SmallBot", sim.bot)
    assert bot.is_closed()
    assert bot.worker is not None
    assert bot.worker.cancelled()


async def test_a_failing_test_tells_what_the_bot_did() -> None:
    with pytest.raises(AssertionError) as caught:  # noqa: PT012  # the block is the test that fails
        async with simulated(SmallBot) as sim:
            await sim.member("ann").slash(sim.channel(), "whoami")
            raise AssertionError
    assert "INTERACTION_CREATE" in caught.value.__notes__[0]
