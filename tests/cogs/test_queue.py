"""`/queue`: the line as everybody sees it, with one's own places marked."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.sandbox.comfyui import ServerState
from tests.cogs.whole_bot import done, playing
from tests.harness import Simulation


@pytest.fixture
def state() -> ServerState:
    return ServerState(seconds_per_step=0.0)


@pytest.fixture
async def sim(tmp_path: Path, state: ServerState) -> AsyncGenerator[Simulation]:
    async with playing(tmp_path, state) as sim:
        yield sim


async def test_an_empty_line_says_that_it_is(sim: Simulation) -> None:
    reply = await sim.member("ann").slash(sim.channel("art"), "queue")
    assert reply.ephemeral
    assert "The queue is empty" in reply.text


async def test_the_line_shows_whose_turn_it_is_and_about_when(sim: Simulation, state: ServerState) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await done(sim, await ann.slash(art, "imagine", prompt="to learn from", width=64, height=64))
    state.seconds_per_step = 0.3
    for number, member in enumerate((ann, ann, bob, ann), start=1):
        await member.slash(art, "imagine", prompt=f"{number}", width=64, height=64)
        await sim.until(lambda most=min(number, 2): len(state.seen.prompts) > most)  # noqa: B008  # bound on purpose
    text = (await bob.slash(art, "queue")).text
    assert text.count("⚙️") == 2
    assert "2 requests waiting" in text
    mine, theirs = (line for line in text.splitlines() if line[1:3] == "\\.")
    assert mine.startswith("1")
    assert "you" in mine
    assert "starts in about" in mine
    assert theirs.startswith("2")
    assert "ann" in theirs
