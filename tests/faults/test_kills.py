"""Killed at random moments, and started again: every accepted order ends once, with its own picture."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.sandbox.comfyui import ServerState
from tests.faults.databases import ENGINES
from tests.faults.single_process import Installation, installed

log = logging.getLogger(__name__)

STEP = 0.04
ASK_AGAIN = "Please send the command again."
"""What somebody reads whose picture was being read when the bot was killed."""
PICTURES = 0.4
POLITENESS = 0.3
SPREAD = 1.5
"""Seconds for each blow, over which the orders are spread."""


@dataclass(frozen=True)
class Storm:
    """How many orders, how many blows against whom, and how long the rest may take afterwards.

    In a `wild` one some bring pictures of their own, Discord is in trouble all the time, and some blows are orderly.
    """

    orders: int
    bots: int
    comfyuis: int
    together: int
    seconds: float
    wild: bool = False


SHORT = {
    "the bot": Storm(15, bots=4, comfyuis=0, together=0, seconds=40.0),
    "ComfyUI": Storm(15, bots=0, comfyuis=4, together=0, seconds=40.0),
    "both": Storm(15, bots=2, comfyuis=2, together=1, seconds=40.0),
}
LONG = {
    "the bot": Storm(100, bots=30, comfyuis=0, together=0, seconds=180.0),
    "ComfyUI": Storm(100, bots=0, comfyuis=20, together=0, seconds=180.0),
    "both": Storm(100, bots=30, comfyuis=20, together=10, seconds=180.0),
    "everything": Storm(60, bots=15, comfyuis=8, together=4, seconds=180.0, wild=True),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every storm on both engines in the long run; in the short one, the bot's own on both and the others on one."""
    is_long = metafunc.config.getoption("--soak")
    limit = pytest.mark.timeout(1200 if is_long else 120)
    engines = {"the bot": ENGINES, "ComfyUI": ENGINES[:1], "both": ENGINES[1:]}
    metafunc.parametrize(
        ("storm", "database"),
        [
            pytest.param(storm, engine, id=f"{whom}, {engine}", marks=limit)
            for whom, storm in (LONG if is_long else SHORT).items()
            for engine in (ENGINES if is_long else engines[whom])
        ],
        indirect=["database"],
    )


async def test_every_order_ends_once_though_at_random_moments_this_is_killed(
    tmp_path: Path, database: str, storm: Storm, seed: int
) -> None:
    async with installed(tmp_path, database, seed, state=ServerState(seconds_per_step=STEP)) as house:
        await house.start()
        await weather(house, storm)
        census = house.census()
        log.info("%s", house.report(census))
        assert not census.stale_positions, house.report(census)
        assert census.shown + len(census.told) == storm.orders, house.report(census)
        assert all(storm.wild and ASK_AGAIN in text for text in census.told), house.report(census)
        if not storm.comfyuis:
            assert set(census.prompts.values()) == {1}, house.report(census)


async def weather(house: Installation, storm: Storm) -> None:
    """Let the crowd order while the blows fall, and give what is left its time."""
    within = (storm.bots + storm.comfyuis) * SPREAD
    share = PICTURES if storm.wild else 0.0
    ordering = asyncio.create_task(house.crowd.order(storm.orders, within=within, with_pictures=share))
    trouble = asyncio.create_task(house.havoc.pester()) if storm.wild else None
    house.havoc.politeness = POLITENESS if storm.wild else 0.0
    await house.havoc.wreak(bots=storm.bots, comfyuis=storm.comfyuis, together=storm.together)
    await ordering
    if trouble is not None:
        trouble.cancel()
        house.wire.state.faults.clear()
    await house.crowd.ends(storm.seconds)
