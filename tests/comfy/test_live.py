"""What must be so on the stand-in and on any real ComfyUI; `-m live` with COMFYUI_TEST_URL runs the latter."""

import asyncio
from random import Random

import pytest

from bot.workflow.run.events import (
    FaultKind,
    GraphRejectedError,
    NodesCached,
    NodeStarted,
    OutputRef,
    Progress,
    PromptLocation,
    RunEnded,
    RunLost,
    RunStarted,
    ServerFaultError,
)
from tests.comfy.conftest import Connect
from tests.comfy.graphs import passing, picture, txt2img
from tests.comfy.relay import Relay
from tests.comfy.runs import checkpoint, eventually, follow, new_id, run, until, until_finished


def seed() -> int:
    """A real server keeps results of earlier runs, so each test draws its own seed."""
    return Random().randrange(2**53, 2**64)


async def test_a_run_tells_its_story_in_order(url: str, connect: Connect):
    server = await connect(url)
    events = await follow(server, txt2img(await checkpoint(server), seed=seed(), steps=3))

    assert events[0] == RunStarted()
    assert events[-1] == RunEnded()
    started = [event.node_id for event in events if isinstance(event, NodeStarted)]
    assert started.index("3") < started.index("8") < started.index("9")
    assert [event for event in events if isinstance(event, Progress) and event.node_id == "3"][-1] == Progress(
        "3", 3, 3
    )


async def test_a_result_has_every_picture_of_the_batch(url: str, connect: Connect):
    server = await connect(url)
    result = await run(server, txt2img(await checkpoint(server), seed=seed(), batch=2))

    assert result.failure is None
    assert [ref.node_id for ref in result.outputs] == ["9", "9"]
    files = [await server.fetch(ref) for ref in result.outputs]
    assert all(file.data.startswith(b"\x89PNG") for file in files)
    assert files[0].data != files[1].data


async def test_a_cached_run_ends_with_the_old_pictures(url: str, connect: Connect):
    server = await connect(url)
    graph = txt2img(await checkpoint(server), seed=seed())
    first = await run(server, graph)
    prompt_id = new_id()
    events = await follow(server, graph, prompt_id)

    assert any(isinstance(event, NodesCached) for event in events)
    again = await server.result(prompt_id)
    assert again.outputs == first.outputs
    assert "9" in again.cached, "what saves did not run"


async def test_names_that_need_encoding_are_fetched(url: str, connect: Connect):
    server = await connect(url)
    result = await run(server, txt2img(await checkpoint(server), seed=seed(), prefix="bot/a b%&#+ü'"))

    (ref,) = result.outputs
    assert ref.subfolder == "bot"
    assert (await server.fetch(ref)).data.startswith(b"\x89PNG")


async def test_an_upload_is_found_under_the_returned_name(url: str, connect: Connect):
    server = await connect(url)
    name = f"in_{new_id()}.png"
    first = await server.upload(picture(name, grey=1))
    again = await server.upload(picture(name, grey=1))
    other = await server.upload(picture(name, grey=2))

    assert first == again == name
    assert other != name
    result = await run(server, passing(other))
    assert result.failure is None
    assert len(result.outputs) == 1


async def test_an_upload_folder_is_part_of_the_name(url: str, connect: Connect):
    server = await connect(url, upload_folder="comfycord")
    name = await server.upload(picture(f"in_{new_id()}.png"))

    assert name.startswith("comfycord/in_")
    assert (await run(server, passing(name))).failure is None


async def test_faults_of_a_graph_are_told_by_node_and_input(url: str, connect: Connect):
    server = await connect(url)
    graph = txt2img("nope.safetensors", steps=0)
    with pytest.raises(GraphRejectedError) as caught:
        await server.submit(new_id(), graph)

    faults = {(fault.node_id, fault.input_name): fault for fault in caught.value.faults}
    assert faults["3", "steps"].kind is FaultKind.TOO_SMALL
    assert faults["3", "steps"].limit == "1"
    assert faults["4", "ckpt_name"].kind is FaultKind.NOT_IN_LIST
    assert faults["4", "ckpt_name"].received == "nope.safetensors"


async def test_a_missing_node_is_named(url: str, connect: Connect):
    server = await connect(url)
    graph = txt2img(await checkpoint(server))
    graph["8"]["class_type"] = "NoSuchNode"
    with pytest.raises(GraphRejectedError) as caught:
        await server.submit(new_id(), graph)

    (fault,) = caught.value.faults
    assert (fault.kind, fault.node_id, fault.class_type) == (FaultKind.MISSING_NODE, "8", "NoSuchNode")


async def test_a_missing_input_picture_is_a_bad_file(url: str, connect: Connect):
    server = await connect(url)
    with pytest.raises(GraphRejectedError) as caught:
        await server.submit(new_id(), passing("missing.png"))

    assert [fault.kind for fault in caught.value.faults] == [FaultKind.BAD_FILE]


async def test_an_output_that_was_dropped_at_validation_is_reported(url: str, connect: Connect):
    server = await connect(url)
    graph = txt2img(await checkpoint(server), seed=seed())
    graph["10"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}
    prompt_id = new_id()
    async with server.subscribe(prompt_id) as events:
        accepted = await server.submit(prompt_id, graph)
        await until(events, RunEnded)

    assert [(fault.kind, fault.node_id) for fault in accepted.faults] == [(FaultKind.MISSING_INPUT, "10")]


async def test_prompts_are_found_where_they_are(url: str, connect: Connect):
    server = await connect(url)
    model = await checkpoint(server)
    first, second = new_id(), new_id()
    async with server.subscribe(first) as events, server.subscribe(second) as later:
        await server.submit(first, txt2img(model, seed=seed(), steps=40))
        await server.submit(second, txt2img(model, seed=seed()))
        await until(events, RunStarted)
        assert await server.locate(first) is PromptLocation.RUNNING
        assert await server.locate(second) is PromptLocation.PENDING
        await until(later, RunEnded)

    assert await server.locate(first) is PromptLocation.FINISHED
    assert await server.locate(new_id()) is PromptLocation.UNKNOWN


async def test_a_waiting_and_a_running_prompt_are_stopped_and_nothing_else(url: str, connect: Connect):
    server = await connect(url)
    model = await checkpoint(server)
    running, waiting, spared = new_id(), new_id(), new_id()
    async with (
        server.subscribe(running) as first,
        server.subscribe(waiting) as second,
        server.subscribe(spared) as third,
    ):
        for prompt_id, steps in ((running, 400), (waiting, 400), (spared, 2)):
            await server.submit(prompt_id, txt2img(model, seed=seed(), steps=steps))
        await until(first, Progress)
        await server.interrupt(waiting)
        assert await until(second, RunLost) == RunLost()
        await server.interrupt(running)
        await until(first, RunEnded)
        await until(third, RunEnded)

    failure = (await server.result(running)).failure
    assert failure is not None
    assert failure.kind == "interrupted"
    assert (await server.result(spared)).failure is None


async def test_an_empty_id_stops_nobody(url: str, connect: Connect):
    server = await connect(url)
    with pytest.raises(ValueError, match="prompt id"):
        await server.interrupt("")


async def test_a_file_that_is_gone_is_a_fault(url: str, connect: Connect):
    server = await connect(url)
    with pytest.raises(ServerFaultError) as caught:
        await server.fetch(OutputRef("9", "no such.png", "", "output"))

    assert caught.value.status == 404


async def test_twenty_prompts_share_one_socket(url: str, connect: Connect):
    server = await connect(url)
    model = await checkpoint(server)
    stories = await asyncio.gather(*(follow(server, txt2img(model, seed=seed(), steps=1)) for _ in range(20)))

    for events in stories:
        assert events[0] == RunStarted()
        assert events[-1] == RunEnded()


async def test_a_dropped_connection_costs_no_job(url: str, connect: Connect):
    async with Relay.to(url) as relay:
        server = await connect(relay.url)
        model = await checkpoint(server)
        prompt_id = new_id()
        async with server.subscribe(prompt_id) as events:
            await server.submit(prompt_id, txt2img(model, seed=seed(), steps=60))
            await until(events, Progress)
            relay.cut()
            await eventually(lambda: not server.online)
            await server.wait_online()
            await until(events, Progress)  # the same client id goes on
            await until(events, RunEnded)
        assert (await server.result(prompt_id)).failure is None


async def test_a_run_that_ends_while_the_connection_is_away_ends_here_too(url: str, connect: Connect):
    async with Relay.to(url) as relay:
        server = await connect(relay.url)
        direct = await connect(url)
        prompt_id = new_id()
        async with server.subscribe(prompt_id) as events:
            await server.submit(prompt_id, txt2img(await checkpoint(server), seed=seed(), steps=5))
            await until(events, RunStarted)
            relay.hang()
            await until_finished(direct, prompt_id)
            relay.cut()
            relay.flow()
            await until(events, RunEnded)


async def test_a_server_that_notices_a_lost_socket_late_makes_nobody_deaf(url: str, connect: Connect):
    async with Relay.to(url) as relay:
        server = await connect(relay.url)
        model = await checkpoint(server)
        relay.cut_near()  # the server keeps the old socket ...
        await eventually(lambda: not server.online)
        await server.wait_online()
        relay.cut_far()  # ... and with it forgets the new one, if it has the same id
        async with asyncio.timeout(15):
            result = await run(server, txt2img(model, seed=seed()))
        assert result.failure is None
