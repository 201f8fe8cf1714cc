"""`/cancel` and the button: own jobs, moderators any, and nobody else's."""

from collections.abc import AsyncGenerator
from pathlib import Path

import discord
import pytest

from bot.sandbox.comfyui import ServerState
from tests.cogs.whole_bot import done, playing
from tests.harness import Member, Reply, Simulation

MODERATOR = discord.Permissions(manage_messages=True)


@pytest.fixture
def state() -> ServerState:
    return ServerState(seconds_per_step=0.3)


@pytest.fixture
async def sim(tmp_path: Path, state: ServerState) -> AsyncGenerator[Simulation]:
    async with playing(tmp_path, state) as sim:
        yield sim


async def ordered(sim: Simulation, state: ServerState, member: Member, prompt: str = "a fox") -> Reply:
    """Order something, and wait until the server has begun with it."""
    reply = await member.slash(sim.channel("art"), "imagine", prompt=prompt, width=64, height=64)
    await sim.until(lambda: state.seen.frames["progress"])
    return reply


async def test_a_running_job_is_cancelled_by_its_button(sim: Simulation, state: ServerState) -> None:
    ann = sim.member("ann")
    reply = await ordered(sim, state, ann)
    await ann.press(reply.message, "Cancel")
    await sim.until(lambda: "Cancelled." in reply.text)
    assert state.seen.interrupts == [state.seen.prompts[0]]
    assert "Cancel" not in reply.text.replace("Cancelled.", ""), "the button is gone"


async def test_a_waiting_job_is_cancelled_before_it_costs_anything(sim: Simulation, state: ServerState) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    await ordered(sim, state, ann)
    replies = [await ann.slash(art, "imagine", prompt=f"number {number}", width=64, height=64) for number in (2, 3)]
    await sim.until(lambda: len(state.seen.prompts) == 2)
    await ann.press(replies[-1].message, "Cancel")
    await sim.until(lambda: "Cancelled." in replies[-1].text)
    assert len(state.seen.prompts) == 2


async def test_nobody_cancels_what_others_asked_for(sim: Simulation, state: ServerState) -> None:
    ann, bob = sim.member("ann"), sim.member("bob")
    reply = await ordered(sim, state, ann)
    refused = await bob.press(reply.message, "Cancel")
    assert refused.ephemeral
    assert "Only the person who asked" in refused.text
    assert await bob.autocomplete(reply.channel, "cancel", "job", "") == []
    state.seconds_per_step = 0.0
    await done(sim, reply)
    assert state.seen.interrupts == []


async def test_a_moderator_cancels_any_and_the_message_says_so(sim: Simulation, state: ServerState) -> None:
    ann, mod = sim.member("ann"), sim.member("mod", permissions=MODERATOR)
    reply = await ordered(sim, state, ann)
    assert any("a fox" in choice for choice in await mod.autocomplete(reply.channel, "cancel", "job", "fox"))
    await mod.press(reply.message, "Cancel")
    await sim.until(lambda: "Cancelled by a moderator." in reply.text)


async def test_the_command_takes_the_only_one(sim: Simulation, state: ServerState) -> None:
    ann = sim.member("ann")
    reply = await ordered(sim, state, ann)
    answer = await ann.slash(reply.channel, "cancel")
    assert answer.ephemeral
    assert answer.text == "Cancelling… it will stop at the next step."
    await sim.until(lambda: "Cancelled." in reply.text)
    again = await ann.slash(reply.channel, "cancel")
    assert "no requests waiting or running" in again.text


async def test_of_several_one_is_chosen(sim: Simulation, state: ServerState) -> None:
    ann = sim.member("ann")
    first = await ordered(sim, state, ann)
    second = await ann.slash(first.channel, "imagine", prompt="an owl", width=64, height=64)
    assert "Pick one under **job**" in (await ann.slash(first.channel, "cancel")).text
    assert len(await ann.autocomplete(first.channel, "cancel", "job", "owl")) == 1
    assert "can't find that request" in (await ann.slash(first.channel, "cancel", job="whatever")).text
    await ann.press(second.message, "Cancel")
    await sim.until(lambda: "Cancelled." in second.text)
