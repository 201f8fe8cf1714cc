"""One member asks for fifty pictures, then another for one: that one is drawn next, through the whole of the bot."""

import logging
from pathlib import Path

import pytest

from bot.sandbox.comfyui import Run, ServerState
from tests.faults.databases import ENGINES
from tests.faults.requests import Order
from tests.faults.single_process import Installation, installed
from tests.transport.conftest import until

log = logging.getLogger(__name__)

FLOOD = 50
GREEDY = 77
AT_MOST = 2
"""Runs that may end before the other's begins: the server has one that runs and one that waits."""


@pytest.mark.timeout(90)
@pytest.mark.parametrize("database", ENGINES, indirect=True)
async def test_who_asks_for_one_does_not_wait_for_the_fifty_of_another(
    tmp_path: Path, database: str, seed: int
) -> None:
    state = ServerState(seconds_per_step=0.15, plain=True)
    async with installed(tmp_path, database, seed, state=state) as house:
        await house.start()
        await house.crowd.order(FLOOD, within=4.0, member=GREEDY)
        [one] = await house.crowd.order(1)
        assert one.accepted is not None
        assert one.accepted.answered_at is not None
        run = await _run_of(house, one)
        before = [each for each in state.seen.runs if one.accepted.answered_at < each.ended <= run.began]
        waiting = FLOOD + 1 - len(state.seen.runs)
        log.info("%d runs ended before it; %d of the flood still wait", len(before), waiting)
        assert len(before) <= AT_MOST
        assert waiting > FLOOD / 2, "otherwise it proves nothing"
        assert "Traceback" not in house.bot.printed, house.bot.printed
        assert not house.wire.counters.rate_limited


async def _run_of(house: Installation, order: Order) -> Run:
    """Return the run of an order, once it has ended."""
    seen = house.comfy.state.seen
    words = f"order {order.number} attempt 0."

    def found() -> list[Run]:
        return [
            run
            for run in seen.runs
            if any(node["inputs"].get("text") == words for node in seen.graphs[run.prompt_id].values())
        ]

    await until(found, 20.0)
    return found()[0]
