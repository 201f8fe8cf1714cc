"""What passes between processes: a gateway's order and its member's wishes reach a worker, and its progress comes back.

Hints carry it within a second; where the database does not pass hints on, everybody looks often enough.
"""

import asyncio
import logging
import time
from pathlib import Path
from statistics import median

import pytest

from bot.sandbox.comfyui import Run
from bot.ui.messages.edit_throttle import MIN_INTERVAL
from bot.ui.messages.render import CANCEL
from tests.faults.databases import PostgreSQL
from tests.faults.many_processes import Town, founded
from tests.faults.requests import Order
from tests.transport.conftest import until
from tests.wire import WireInteraction

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(200)

MEMBER = 7
TIMES, OFTEN = 3, 25
MANY = 12
SOON = 1.0
"""Seconds in which cancelling, and the first sign of progress, cross processes."""
TAKEN_OVER = 35.0
"""Seconds after which somebody else has what a dead worker had: a lease, and a look."""
LATER = 1.5
"""Seconds that cancelling takes where no hint is passed on; starting takes `SOON`."""
DEAF = "notifications between processes are unavailable"


async def test_wishes_and_progress_cross_processes_and_a_worker_that_never_comes_back_is_replaced(
    tmp_path: Path, postgres: PostgreSQL, seed: int, soak: bool
) -> None:
    async with founded(tmp_path, postgres.url(), seed, servers=2) as town:
        await town.start()
        await _hints_are_heard()
        await _cross(town, OFTEN if soak else TIMES)
        await _replace(town)
        assert not any("Traceback" in each.printed or DEAF in each.printed for each in town.processes)


async def _cross(town: Town, times: int) -> None:
    """What a member of one gateway wishes reaches whatever worker, and is seen at the other gateway."""
    shown, stopped = list[float](), list[float]()
    for number in range(times):
        job = await _running(town)
        await job.wait_for(lambda message: "%" in message.text)
        queue = await town.wire.slash("queue", guild=town.guilds[1], user_id=5)
        assert "a request from elsewhere" in queue.text, queue.text
        stopped.append(await _cancel(town, job))
        await until(lambda number=number: len(_runs(town)) > number)
        run = _runs(town)[-1]
        may_edit = max(run.began, job.edits[0].at + MIN_INTERVAL)
        shown.append(next(edit.at for edit in job.edits if "%" in edit.text) - may_edit)
        assert run.outcome == "interrupted"
    log.info("cancelled after %s s, progress after %s s", stopped, shown)
    assert min(stopped) <= SOON  # the best of several: the machine has other things to do, too
    assert min(shown) <= SOON


async def _replace(town: Town) -> None:
    """Somebody else takes over the ComfyUIs of a worker that was killed, with what they are at and what they did."""
    for server in town.servers:
        server.state.seconds_per_step = 0.15
    # Who starts first has taken all of them, and leaves one: for some seconds it is nobody's
    await until(lambda: len(town.holders()) == len(town.workers), 30.0)
    await until(lambda: all(server.state.seen.sockets_open for server in town.servers), 30.0)
    before = _progress(town)
    await town.crowd.order(8)
    await until(lambda: all(now > then for now, then in zip(_progress(town), before, strict=True)), 20.0)
    died = time.monotonic()
    await town.kill(town.random.choice(town.holders()))
    await town.crowd.ends(TAKEN_OVER)
    log.info("all jobs of a dead worker had ended after %.1f s", time.monotonic() - died)
    census = town.census()
    strangers = [
        one for one in census.stale_positions if not one.startswith(("a message too many", "a prompt that nobody"))
    ]
    assert not strangers, town.report(census)
    assert census.shown == 8, town.report(census)
    assert set(census.prompts.values()) == {1}, town.report(census)
    # Jobs may all have ended elsewhere before the one without a worker gets another: a lease, and a look
    await until(lambda: all(server.state.seen.sockets_open == 1 for server in town.servers), TAKEN_OVER)


async def test_where_the_database_passes_no_hints_on_everything_takes_a_little_longer(
    tmp_path: Path, postgres: PostgreSQL, seed: int, soak: bool
) -> None:
    elsewhere = {"DATABASE_LISTEN_URL": postgres.url()}
    async with founded(tmp_path, postgres.url(), seed, gateways=1, workers=1, servers=1, settings=elsewhere) as town:
        await town.start()
        times = OFTEN if soak else TIMES
        orders = list[Order]()
        for _ in range(times):
            orders += await town.crowd.order(1)
            await town.crowd.ends(20.0)
        await town.crowd.order(MANY)  # their places are told by one process, their ends by the other
        await town.crowd.ends(20.0)
        census = town.census()
        assert (census.stale_positions, census.shown) == ([], times + MANY), town.report(census)
        waited = [
            run.began - order.accepted.sent
            for run, order in zip(town.servers[0].state.seen.runs, orders, strict=False)
            if order.accepted
        ]
        stopped = [await _cancel(town, await _running(town)) for _ in range(times)]
        log.info("started after %s s, cancelled after %s s", waited, stopped)
        assert median(waited) <= SOON
        assert median(stopped) <= LATER
        for each in town.processes:
            await until(lambda each=each: DEAF in each.printed, 20.0)
            assert each.printed.count(DEAF) == 1, each.printed
            assert "Traceback" not in each.printed, each.printed


async def _hints_are_heard() -> None:
    """Give the processes the time that they need to find out whether they hear each other."""
    await asyncio.sleep(2.0)


async def _running(town: Town) -> WireInteraction:
    """Order a picture that takes long at the first gateway; return when a ComfyUI works on it."""
    for server in town.servers:
        server.state.seconds_per_step = 0.3
    before = _steps(town)
    job = await town.wire.slash("imagine", {"prompt": "x", "steps": 60}, user_id=MEMBER, guild=town.guilds[0])
    await until(lambda: _steps(town) > before, 15.0)
    return job


async def _cancel(town: Town, job: WireInteraction) -> float:
    """Press *Cancel*; return the seconds until the ComfyUI is asked to stop, and when the message says so."""
    before = _interrupts(town)
    message = await job.wait_for(lambda message: any(custom_id.startswith(CANCEL) for custom_id in message.buttons))
    [button] = [custom_id for custom_id in message.buttons if custom_id.startswith(CANCEL)]
    pressed = time.monotonic()
    await town.wire.component(message, button, user_id=MEMBER, wait=False)
    await until(lambda: _interrupts(town) > before)
    took = time.monotonic() - pressed
    await job.wait_for(lambda message: "ancelled" in message.text, 10.0)
    return took


def _progress(town: Town) -> list[int]:
    """Return how many signs of progress each ComfyUI has sent."""
    return [server.state.seen.frames["progress"] for server in town.servers]


def _steps(town: Town) -> int:
    return sum(_progress(town))


def _interrupts(town: Town) -> int:
    return sum(len(server.state.seen.interrupts) for server in town.servers)


def _runs(town: Town) -> list[Run]:
    """Return all runs, in the order of their ends."""
    return sorted((run for server in town.servers for run in server.state.seen.runs), key=lambda run: run.ended)
