"""A socket that is open, answers pings, and hears nothing: told from mere silence, and cured under the same id."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from bot.comfy.server import ComfyServer
from bot.sandbox.comfyui import StandIn
from bot.workflow.run.events import (
    Progress,
    PromptLocation,
    RunEnded,
    RunEvent,
)
from tests.comfy.conftest import FAST, Connect
from tests.comfy.graphs import txt2img
from tests.comfy.relay import Relay
from tests.comfy.runs import eventually, follow, new_id, until

MODEL = "dreamscape-sd15.safetensors"
ALERT = dataclasses.replace(FAST, silent_run=0.5, silence=60.0, poll=60.0, first_event=60.0)
"""Silence about a running prompt is the only thing that is noticed soon."""


async def deafened(standin: StandIn, relay: Relay, server: ComfyServer) -> None:
    """Let the server take the old socket's late end for the end of the new one of the same id."""
    relay.cut_near()
    await eventually(lambda: server._socket.connection == 2 and server._socket.news > server._socket._news_before)
    relay.cut_far()
    await eventually(lambda: standin.state.seen.sockets_open == 1)


async def goes_on(events: AsyncIterator[RunEvent]) -> bool:
    """Return whether progress comes in now: of what was not read, only the newest is kept."""
    async with asyncio.timeout(2):
        first, second = await until(events, Progress), await until(events, Progress)
    return second.value > first.value


async def test_a_running_prompt_is_heard_again_after_its_socket_went_deaf(standin: StandIn, connect: Connect):
    async with Relay.to(standin.url) as relay:
        changes: list[bool] = []
        server = await connect(relay.url, timeouts=ALERT, client_id=new_id(), on_change=changes.append)
        prompt_id = new_id()
        async with server.subscribe(prompt_id) as events:
            await server.submit(prompt_id, txt2img(MODEL, steps=250))
            await until(events, Progress)
            await deafened(standin, relay, server)
            await eventually(lambda: standin.state.seen.sockets_opened == 3)
            assert await goes_on(events)
            assert server.receives_events_for(prompt_id)
            assert await server.locate(prompt_id) is PromptLocation.RUNNING
            await server.interrupt(prompt_id)
            await until(events, RunEnded)

    assert changes == [True, False, True]  # the network's failure; nobody missed the socket that was replaced


async def test_half_of_what_the_workflow_allows_is_enough_silence(standin: StandIn, connect: Connect):
    standin.state.load_seconds = 1.5
    server = await connect(standin.url, timeouts=dataclasses.replace(ALERT, silent_run=60.0))
    prompt_id = new_id()
    async with server.subscribe(prompt_id, idle_limit=1.0) as events:
        await server.submit(prompt_id, txt2img(MODEL, steps=3))
        await until(events, RunEnded)

    assert standin.state.seen.sockets_opened == 2


async def test_a_silent_node_costs_one_new_socket(standin: StandIn, connect: Connect):
    standin.state.load_seconds = 2.5
    server = await connect(standin.url, timeouts=dataclasses.replace(ALERT, silent_run=0.4))
    story = await follow(server, txt2img(MODEL, steps=3))

    assert standin.state.seen.sockets_opened == 2
    assert any(isinstance(event, Progress) for event in story)
    assert story[-1] == RunEnded()


async def test_while_a_server_is_frozen_its_socket_is_kept(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(ALERT, silent_run=0.4, quick=5.0))
    prompt_id = new_id()
    async with server.subscribe(prompt_id) as events:
        await server.submit(prompt_id, txt2img(MODEL, steps=30))
        await until(events, Progress)
        standin.state.frozen = True
        await asyncio.sleep(1.5)
        assert standin.state.seen.sockets_opened == 1
        standin.state.frozen = False
        await until(events, RunEnded)

    assert standin.state.seen.sockets_opened == 1


async def test_a_deaf_socket_keeps_its_id_when_a_post_finds_it_out(standin: StandIn, connect: Connect):
    async with Relay.to(standin.url) as relay:
        server = await connect(
            relay.url, timeouts=dataclasses.replace(ALERT, silent_run=60.0, first_event=0.3), client_id=new_id()
        )
        first, second = new_id(), new_id()
        async with server.subscribe(first) as events, server.subscribe(second):
            await server.submit(first, txt2img(MODEL, steps=250))
            await until(events, Progress)
            await deafened(standin, relay, server)
            await server.submit(second, txt2img(MODEL, seed=2))
            await eventually(lambda: standin.state.seen.sockets_opened == 3)
            assert await goes_on(events)


async def test_a_socket_that_does_not_answer_its_end_is_followed_by_one_with_a_fresh_id(
    standin: StandIn, connect: Connect
):
    async with Relay.to(standin.url) as relay:
        server = await connect(relay.url, timeouts=dataclasses.replace(FAST, close=0.2), client_id=(old := new_id()))
        relay.hang()
        reopening = asyncio.create_task(server._socket.reopen())
        await asyncio.sleep(0)
        assert not server.receives_events_for("any")
        await reopening
        relay.cut_near()
        relay.flow()
        await server.wait_online()

    assert server._socket.client_id != old


@pytest.mark.parametrize("ends", [1, 2])
async def test_a_server_can_be_left_and_taken_again(standin: StandIn, connect: Connect, ends: int):
    server = await connect(standin.url, client_id=(own := new_id()))
    for _ in range(ends):
        await server.close()
        assert not server.online
        await server.start()
        await server.start()  # does nothing
        await server.wait_online()
        assert server._socket.client_id == own
    assert (await follow(server, txt2img(MODEL)))[-1] == RunEnded()
    assert standin.state.seen.sockets_opened == 1 + ends
