"""Two gateways, two workers, three ComfyUIs and one database: whichever process dies, every order ends once."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.faults.many_processes import founded

log = logging.getLogger(__name__)

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

STEP = 0.15
"""Seconds: an order takes four of them, so that something is under way at most moments."""
ENDS = 40.0
"""Seconds for what is left when the last blow has fallen."""
SPREAD = 2.5
"""Seconds for each blow, over which the orders are spread."""


@pytest.mark.timeout(600)
async def test_whichever_process_is_killed_every_order_ends_once(
    tmp_path: Path, database: str, seed: int, soak: bool
) -> None:
    orders, blows = (200, 40) if soak else (24, 4)
    async with founded(tmp_path, database, seed, seconds_per_step=STEP) as town:
        await town.start()
        town.note("all are up")
        ordering = asyncio.create_task(town.crowd.order(orders, within=blows * SPREAD))
        await town.storm(blows)
        await ordering
        await town.crowd.ends(ENDS)
        census = town.census()
        log.info("%s", town.report(census))
        assert not census.stale_positions, town.report(census)
        assert census.shown == orders, town.report(census)
        assert set(census.prompts.values()) == {1}, town.report(census)
