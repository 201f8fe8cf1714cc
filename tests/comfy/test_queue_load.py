"""Prompts of others in a server's queue: counted soon, and never confused with ours."""

import asyncio

from bot.sandbox.comfyui import StandIn
from bot.workflow.run.events import RunEnded, RunStarted
from tests.comfy.conftest import Connect
from tests.comfy.graphs import txt2img
from tests.comfy.runs import eventually, new_id, until

MODEL = "dreamscape-sd15.safetensors"


async def test_others_are_counted_and_leave(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    assert server.foreign_prompts == 0
    standin.post_as(txt2img(MODEL, seed=2, steps=30))
    standin.post_as(txt2img(MODEL, seed=3, steps=30), "another-client")
    await eventually(lambda: server.foreign_prompts == 2)
    await eventually(lambda: server.foreign_prompts == 1)
    await eventually(lambda: server.foreign_prompts == 0)


async def test_ours_are_never_taken_for_theirs(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    most = 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, server.foreign_prompts)
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    first, second = new_id(), new_id()
    async with server.subscribe(first) as events, server.subscribe(second) as later:
        await server.submit(first, txt2img(MODEL, steps=5))
        await server.submit(second, txt2img(MODEL, seed=2, steps=5))
        await until(events, RunEnded)
        await until(later, RunEnded)
    await asyncio.sleep(0.1)
    looking.cancel()

    assert most == 0
    assert standin.state.seen.requests["GET /queue"] == 0


async def test_theirs_are_told_from_ours_by_asking_the_queue(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    ours = new_id()
    async with server.subscribe(ours) as events:
        await server.submit(ours, txt2img(MODEL, steps=100))
        await until(events, RunStarted)
        standin.post_as(txt2img(MODEL, seed=3), "another-client")
        await eventually(lambda: server.foreign_prompts == 1)
        await eventually(lambda: standin.state.seen.requests["GET /queue"] > 0)
        await asyncio.sleep(0.1)
        assert server.foreign_prompts == 1
        await server.interrupt(ours)
        await until(events, RunEnded)
    await eventually(lambda: server.foreign_prompts == 0)


async def test_a_prompt_of_ours_that_is_gone_does_not_hide_theirs(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    ours = new_id()
    async with server.subscribe(ours):
        await server.submit(ours, txt2img(MODEL, steps=2))
        await eventually(lambda: standin.state.seen.frames["execution_success"] > 0)
        standin.post_as(txt2img(MODEL, seed=3, steps=30))
        standin.post_as(txt2img(MODEL, seed=4, steps=30))
        await eventually(lambda: server.foreign_prompts == 2)


async def test_nobody_is_counted_on_a_server_that_is_away(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    standin.post_as(txt2img(MODEL, seed=2, steps=100))
    await eventually(lambda: server.foreign_prompts == 1)
    await standin.kill()
    await eventually(lambda: server.foreign_prompts == 0)
    await standin.start()
    await server.wait_online()
    await asyncio.sleep(0.1)
    assert server.foreign_prompts == 0
