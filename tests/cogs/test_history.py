"""`/history`: a member's own jobs, for nobody else, and their results once more."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import discord
import pytest

from bot.sandbox.comfyui import NodeFault, ServerState
from tests.cogs.whole_bot import done, playing
from tests.harness import Member, Reply, Simulation

AGAIN = "cc:again"
PNG = b"\x89PNG"


@pytest.fixture
def state() -> ServerState:
    return ServerState(seconds_per_step=0.0)


@pytest.fixture
async def sim(tmp_path: Path, state: ServerState) -> AsyncGenerator[Simulation]:
    async with playing(tmp_path, state) as sim:
        yield sim


def choices(reply: Reply) -> list[str]:
    """Return the job ids that the menu offers."""
    rows = [row for row in reply.message.raw.components if isinstance(row, discord.ActionRow)]
    menus = [item for row in rows for item in row.children if isinstance(item, discord.SelectMenu)]
    return [option.value for menu in menus if menu.custom_id == AGAIN for option in menu.options]


async def listed(sim: Simulation, member: Member, jobs: int = 1) -> Reply:
    """Return the history once it has so many results: a result is in its message a moment before it is on record."""
    for _ in range(200):
        history = await member.slash(sim.channel("art"), "history")
        if len(choices(history)) >= jobs:
            return history
        await asyncio.sleep(0.02)
    raise AssertionError("the results did not come into the history")


async def test_who_asked_for_nothing_is_told_how_to_begin(sim: Simulation) -> None:
    reply = await sim.member("ann").slash(sim.channel("art"), "history")
    assert reply.ephemeral
    assert "Nothing here yet" in reply.text
    assert choices(reply) == []


async def test_a_result_is_shown_again_to_its_member_only(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    first = await done(sim, await ann.slash(art, "imagine", prompt="a *fox*", width=64, height=64))
    history = await listed(sim, ann)
    assert history.ephemeral
    assert "a \\*fox\\*" in history.text
    assert str(first.message.id) in history.text, "a link leads to the message"
    again = await ann.select(history.message, choices(history), custom_id=AGAIN)
    assert again.ephemeral
    assert "seed" in again.text
    assert await again.message.read() == await first.message.read()
    assert (await again.message.read()).startswith(PNG)


async def test_others_see_nothing_of_it(sim: Simulation) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await done(sim, await ann.slash(art, "imagine", prompt="a secret", width=64, height=64))
    assert "secret" not in (await bob.slash(art, "history")).text


async def test_a_failure_is_told_again(sim: Simulation, state: ServerState) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    state.node_faults["KSampler"] = NodeFault("the fan is stuck")
    reply = await ann.slash(art, "imagine", prompt="x", width=64, height=64)
    await sim.until(lambda: "fan" in reply.text)
    history = await ann.slash(art, "history")
    assert "the fan is stuck" in history.text
    assert choices(history) == []


async def test_many_jobs_are_turned_page_by_page(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    for number in range(10):
        await done(sim, await ann.slash(art, "imagine", prompt=f"number {number}", width=64, height=64))
    newest = await listed(sim, ann, 8)
    assert "number 9" in newest.text
    assert "number 1\n" not in newest.text
    await ann.press(newest.message, "Older")
    assert "number 0" in newest.text
    assert "number 9" not in newest.text
    await ann.press(newest.message, "Newer")
    assert "number 9" in newest.text


async def test_a_result_that_is_not_kept_any_more_is_a_sentence(sim: Simulation, tmp_path: Path) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    await done(sim, await ann.slash(art, "imagine", prompt="a fox", seed="77", width=64, height=64))
    for file in (tmp_path / "results").rglob("*"):
        if file.is_file():
            file.unlink()
    history = await listed(sim, ann)
    again = await ann.select(history.message, choices(history), custom_id=AGAIN)
    assert "These files have expired" in again.text
    assert "77" in again.text
