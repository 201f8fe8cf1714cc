"""Several ComfyUIs and one bot: they die and come back, cannot do everything, come and go, and belong to others too."""

import asyncio
import copy
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.jobs.execution.server_worker import OFFLINE_GRACE
from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.final_count import Census
from tests.faults.requests import Order
from tests.faults.single_process import Installation, installed
from tests.transport.conftest import until

log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(90)

OWNER = 1
"""Whose bot it is on the fake Discord."""
RARE = "inkwash-sdxl.safetensors"
SOON = 20.0
FOREIGN = 5


@asynccontextmanager
async def fleet(folder: Path, database: str, seed: int, states: Sequence[ServerState]) -> AsyncGenerator["Fleet"]:
    """Run a bot with a ComfyUI for each state; `gpu1` is the first."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(installed(folder, database, seed, state=states[0]))
        for state in states:
            state.plain = True
        others = [await stack.enter_async_context(StandIn(state)) for state in states[1:]]
        servers = [house.comfy, *others]
        house.settings["COMFYUI_URLS"] = ",".join(server.url for server in servers)
        await house.start()
        await until(lambda: all(server.state.seen.sockets_open for server in servers), SOON)
        yield Fleet(house, servers)


class Fleet:
    """A house with several servers."""

    def __init__(self, house: Installation, servers: list[StandIn]) -> None:
        self.house = house
        self.servers = servers

    async def say(self, command: str, **options: Any) -> str:
        """Let the bot's owner use `/server`; return the answer."""
        answer = await self.house.wire.slash(f"server {command}", options, user_id=OWNER)
        await answer.wait_for(lambda message: bool(message.text), SOON)
        return answer.text

    async def all_shown(self, count: int) -> Census:
        """Return the count, once every order has its picture."""
        await self.house.crowd.ends(SOON)
        census = self.house.census(*self.servers[1:])
        assert not census.stale_positions, self.house.report(census)
        assert census.shown == count, self.house.report(census)
        return census


def prompts_of(server: StandIn) -> int:
    """Return how many prompts a server ever got."""
    return len(server.state.seen.prompts)


def in_hand(server: StandIn) -> int:
    """Return how many prompts a server runs or keeps waiting, or has lost when it was killed."""
    seen = server.state.seen
    return len(set(seen.prompts) - {each.prompt_id for each in (*seen.runs, *seen.stops)})


@pytest.mark.timeout(300)
async def test_jobs_of_a_dead_server_go_to_the_others_and_it_is_used_again_once_it_is_back(
    tmp_path: Path, database: str, seed: int, soak: bool
) -> None:
    async with fleet(tmp_path, database, seed, [ServerState(seconds_per_step=0.2) for _ in range(3)]) as gpus:
        for _ in range(5 if soak else 1):
            await _dies_and_comes_back(gpus, gpus.house.random.choice(gpus.servers))
        assert gpus.house.bot.starts == 1


async def _dies_and_comes_back(gpus: Fleet, victim: StandIn) -> None:
    crowd = gpus.house.crowd
    lost = sum(map(prompts_of, gpus.servers)) - len(crowd.orders)
    ghosts = in_hand(victim)
    await crowd.order(9)
    await until(lambda: in_hand(victim) == ghosts + 2, SOON)
    died = time.monotonic()
    await victim.kill()
    await crowd.ends(OFFLINE_GRACE + 12.0)
    took = time.monotonic() - died
    census = await gpus.all_shown(len(crowd.orders))
    log.info("%s; all had ended %.1f s after a server died", census, took)
    assert took >= OFFLINE_GRACE, "until then it may come back"
    again = sum(census.prompts.values()) - len(crowd.orders) - lost
    assert 1 <= again <= 3, "what ran and waited there is drawn again, and at most one more that was not fetched yet"
    before, sockets = prompts_of(victim), victim.state.seen.sockets_opened
    await victim.start()
    await until(lambda: victim.state.seen.sockets_opened > sockets, SOON)
    await crowd.order(6)
    await gpus.all_shown(len(crowd.orders))
    assert prompts_of(victim) > before


async def test_jobs_go_where_they_can_be_run_while_servers_come_rest_and_go(
    tmp_path: Path, database: str, seed: int
) -> None:
    poor, rich = (ServerState(seconds_per_step=0.1, missing_classes={"ImageScaleBy"}) for _ in range(2))
    poor.models["checkpoints"].remove(RARE)
    async with (
        StandIn(ServerState(seconds_per_step=0.1)) as third,
        fleet(tmp_path, database, seed, [poor, rich]) as gpus,
    ):
        rare = await _run_where_the_checkpoint_is(gpus)
        await _wait_for_a_server_that_can(gpus, third)
        await _rest(gpus, third)
        await _leave(gpus, gpus.servers[1])
        orders = len(gpus.house.crowd.orders)
        census = await gpus.all_shown(orders)
        assert sum(census.prompts.values()) == orders + 1, "one was taken off the server that was removed"
        assert set(rare).isdisjoint(poor.seen.prompts)


async def _run_where_the_checkpoint_is(gpus: Fleet) -> Sequence[str]:
    """Return the prompts of those that need it."""
    crowd, (poor, rich) = gpus.house.crowd, gpus.servers
    await asyncio.gather(crowd.order(5, more={"checkpoint": RARE}), crowd.order(3))
    await gpus.all_shown(8)
    asked = [_needing(server, RARE) for server in (poor, rich)]
    assert [len(each) for each in asked] == [0, 5]
    assert prompts_of(poor) >= 2, "the others need not wait for it"
    return asked[1]


def _needing(server: StandIn, checkpoint: str) -> list[str]:
    graphs = server.state.seen.graphs.items()
    return [
        prompt_id
        for prompt_id, graph in graphs
        if any(node["inputs"].get("ckpt_name") == checkpoint for node in graph.values())
    ]


async def _wait_for_a_server_that_can(gpus: Fleet, third: StandIn) -> None:
    """A job that no server can run waits, and says why, until one is added that can."""
    ordering = await gpus.house.crowd.order(1, with_pictures=1.0)
    [order] = ordering
    assert order.accepted is not None
    await order.accepted.wait_for(lambda message: "ImageScaleBy" in message.text, SOON)
    assert not order.has_ended
    added = await gpus.say("add", url=third.url)
    assert "Added gpu3" in added, added
    gpus.servers.append(third)
    began = time.monotonic()
    await gpus.all_shown(9)
    log.info("shown %.1f s after a server was added that can do it", time.monotonic() - began)
    assert prompts_of(third) == 1


async def _rest(gpus: Fleet, third: StandIn) -> None:
    """A server that is drained finishes what it has, and gets nothing more."""
    await gpus.house.crowd.order(9)
    await until(lambda: in_hand(third) == 2)
    assert "gpu3" in await gpus.say("drain", server="gpu3")
    await asyncio.sleep(0.2)  # what was claimed just before is on its way
    had = prompts_of(third)
    await gpus.all_shown(18)
    assert prompts_of(third) == had
    assert not third.state.seen.stops


async def _leave(gpus: Fleet, server: StandIn) -> None:
    """A server that is removed ends what runs; what waits there is run elsewhere."""
    server.state.seconds_per_step = 0.3
    await gpus.house.crowd.order(6)
    await until(lambda: in_hand(server) == 2)
    assert "gpu2" in await gpus.say("remove", server="gpu2")
    await gpus.all_shown(24)
    seen = server.state.seen
    assert [(stop.was_running, stop.was_named) for stop in seen.stops] == [(False, True)]
    assert {run.outcome for run in seen.runs} == {"success"}
    await until(lambda: not seen.sockets_open, SOON)


async def test_prompts_of_others_are_respected_and_counted(tmp_path: Path, database: str, seed: int) -> None:
    shared, own = (ServerState(seconds_per_step=0.5) for _ in range(2))
    async with fleet(tmp_path, database, seed, [shared, own]) as gpus:
        house, server = gpus.house, gpus.servers[0]
        await house.crowd.order(4)
        await gpus.all_shown(4)
        shared.seconds_per_step = 1.5
        _others_come(server)
        await asyncio.sleep(2.5)  # they are noticed when their number does not change for a moment
        own.seconds_per_step, before = 0.05, prompts_of(server)
        await house.crowd.order(4)
        await house.crowd.ends(SOON)
        assert prompts_of(server) == before, "the other server is free"
        assert all(order.has_ended for order in house.crowd.orders)

        await gpus.say("drain", server="gpu2")
        first, second = await _two_wait_behind_them(house)
        shared.seconds_per_step = 0.0
        await house.crowd.ends(SOON)
        census = house.census(*gpus.servers[1:])
        assert [one for one in census.stale_positions if "nobody waits for" not in one] == [], house.report(census)
        assert census.shown == 10, house.report(census)
        ran = [_words(server, run.prompt_id) for run in shared.seen.runs]
        assert ran[-2:] == [f"order {order.number} attempt 0." for order in (first, second)]
        assert sum(words.startswith("of others") for words in ran) == FOREIGN
        assert not shared.seen.stops


def _others_come(server: StandIn) -> None:
    """Let somebody else queue what was drawn just now, with other words."""
    seen = server.state.seen
    drawn = seen.graphs[seen.prompts[-1]]
    for number in range(FOREIGN):
        graph = copy.deepcopy(drawn)
        for node in graph.values():
            if str(node["inputs"].get("text", "")).startswith("order "):
                node["inputs"]["text"] = f"of others, {number}"
        server.post_as(graph, "another-client")


async def _two_wait_behind_them(house: Installation) -> tuple[Order, Order]:
    """Order two pictures, of which the first is on the server; the other's message counts what is before it."""
    [first] = await house.crowd.order(1)
    words, comfy = f"order {first.number} attempt 0.", house.comfy
    await until(lambda: any(_words(comfy, one) == words for one in comfy.state.seen.prompts))
    [second] = await house.crowd.order(1)
    assert second.accepted is not None
    message = await second.accepted.wait_for(lambda message: "about" in message.text, SOON)
    log.info("behind %d others: %s", FOREIGN, message.text)
    return first, second


def _words(server: StandIn, prompt_id: str) -> str:
    texts = [str(node["inputs"].get("text", "")) for node in server.state.seen.graphs[prompt_id].values()]
    return next((text for text in texts if text.startswith(("order ", "of others"))), "")
