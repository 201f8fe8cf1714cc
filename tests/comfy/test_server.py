"""One server in ordinary work: what it costs, what it tells, whose frames it listens to."""

import asyncio

import pytest

from bot.sandbox.comfyui import BLOCKED, OUT_OF_MEMORY, Generation, NodeFault, StandIn
from bot.workflow.run.events import (
    FailureKind,
    NodesCached,
    OutputRef,
    Preview,
    Progress,
    PromptLocation,
    RunEnded,
    RunStarted,
    ServerFaultError,
)
from tests.comfy.conftest import Connect
from tests.comfy.graphs import passing, picture, txt2img
from tests.comfy.runs import eventually, follow, new_id, run, until

MODEL = "dreamscape-sd15.safetensors"


async def test_a_job_costs_one_post_and_one_look_at_the_history(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    await asyncio.gather(*(run(server, txt2img(MODEL, seed=number, steps=1)) for number in range(20)))
    seen = standin.state.seen

    assert seen.sockets_opened == 1
    assert (seen.requests["POST /prompt"], seen.requests["GET /history"]) == (20, 20)
    assert seen.requests["GET /queue"] == 0


async def test_prompts_carry_our_id_and_previews_are_asked_for(standin: StandIn, connect: Connect):
    standin.state.previews = False  # as a server starts without arguments
    server = await connect(standin.url)
    prompt_id = new_id()
    events = await follow(server, txt2img(MODEL, steps=3), prompt_id)

    assert standin.state.seen.prompts == [prompt_id]
    preview = next(event for event in events if isinstance(event, Preview))
    assert preview.content_type == "image/jpeg"
    assert preview.data.startswith(b"\xff\xd8")


async def test_frames_that_come_before_the_answer_to_the_post_are_kept(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    graph = txt2img(MODEL)
    await run(server, graph)
    standin.state.answer_delay_ms["POST /prompt"] = 200
    events = await follow(server, graph)

    assert events[0] == RunStarted()
    assert isinstance(events[1], NodesCached)
    assert events[-1] == RunEnded()


async def test_frames_of_others_are_not_ours(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    standin.post_as(txt2img(MODEL, seed=2, steps=30))
    standin.post_as(txt2img(MODEL, seed=3, steps=30), "another-client")
    events = await follow(server, txt2img(MODEL, seed=4, steps=2))

    steps = [event for event in events if isinstance(event, Progress) and event.node_id == "3"]
    assert {event.maximum for event in steps} == {2}
    assert standin.state.seen.frames["binary 1"] > 0  # anonymous previews went to everybody
    assert [type(event) for event in events].index(RunStarted) == 0


async def test_a_history_that_is_late_is_waited_for(standin: StandIn, connect: Connect):
    standin.state.history_delay = 0.3
    server = await connect(standin.url)
    prompt_id = new_id()
    async with server.subscribe(prompt_id):
        await server.submit(prompt_id, txt2img(MODEL, steps=1))
        await eventually(lambda: standin.state.seen.frames["execution_success"] > 0)
        result = await server.result(prompt_id)

    assert result.failure is None
    assert standin.state.seen.requests["GET /history"] > 1


async def test_a_result_that_never_was_is_a_fault(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    with pytest.raises(ServerFaultError) as caught:
        await server.result(new_id())

    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (OUT_OF_MEMORY, FailureKind.OUT_OF_MEMORY),
        (BLOCKED, FailureKind.BLOCKED),
        (NodeFault("cannot open /opt/secret/x.bin"), FailureKind.NODE_ERROR),
    ],
)
async def test_failures_are_told_apart(standin: StandIn, connect: Connect, fault: NodeFault, kind: FailureKind):
    standin.state.node_faults["SaveImage"] = fault
    server = await connect(standin.url)
    failure = (await run(server, txt2img(MODEL))).failure

    assert failure is not None
    assert (failure.kind, failure.node_id, failure.class_type) == (kind, "9", "SaveImage")
    assert "/opt" not in failure.detail


async def test_an_interrupt_by_somebody_else_is_told(standin: StandIn, connect: Connect):
    standin.state.interrupt_at_step = 2
    server = await connect(standin.url)
    failure = (await run(server, txt2img(MODEL, steps=5))).failure

    assert failure is not None
    assert failure.kind is FailureKind.INTERRUPTED


async def test_outputs_that_vanish_are_no_success(standin: StandIn, connect: Connect):
    standin.state.dropped_outputs.add("SaveImage")
    server = await connect(standin.url)
    failure = (await run(server, txt2img(MODEL))).failure

    assert failure is not None
    assert failure.kind is FailureKind.NO_OUTPUTS


async def test_a_file_deleted_on_the_server_is_a_fault(standin: StandIn, connect: Connect):
    standin.state.delete_outputs = True
    server = await connect(standin.url)
    (ref,) = (await run(server, txt2img(MODEL))).outputs
    with pytest.raises(ServerFaultError) as caught:
        await server.fetch(ref)

    assert caught.value.status == 404


async def test_nan_and_foreign_keys_in_outputs_do_no_harm(standin: StandIn, connect: Connect):
    standin.state.nan_in_output = True
    standin.state.extra_output = {"gifs": [{"filename": "a.mp4", "subfolder": "v", "type": "output", "frame_rate": 8}]}
    server = await connect(standin.url)
    result = await run(server, txt2img(MODEL))

    assert OutputRef("9", "a.mp4", "v", "output") in result.outputs


async def test_a_seed_beyond_53_bits_arrives_to_the_last_digit(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    prompt_id = new_id()
    await follow(server, txt2img(MODEL, seed=2**64 - 1), prompt_id)

    assert standin.state.seen.graphs[prompt_id]["3"]["inputs"]["seed"] == 2**64 - 1


async def test_an_upload_that_is_too_large_is_a_fault(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    standin.state.max_upload_size = 50
    with pytest.raises(ServerFaultError) as caught:
        await server.upload(picture())

    assert caught.value.status == 413


async def test_an_upload_is_repeated_when_the_connection_breaks(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    standin.state.drop_answer["POST /upload/image"] = 1
    name = await server.upload(picture())

    assert standin.state.seen.requests["POST /upload/image"] == 2
    assert list(standin.state.seen.uploads) == [name]
    assert (await run(server, passing(name))).failure is None


@pytest.mark.parametrize("generation", Generation)
async def test_stopping_names_its_prompt(standin: StandIn, connect: Connect, generation: Generation):
    standin.state.generation = generation
    server = await connect(standin.url)
    prompt_id = new_id()
    async with server.subscribe(prompt_id) as events:
        await server.submit(prompt_id, txt2img(MODEL, steps=200))
        await until(events, Progress)
        await server.interrupt(prompt_id)
        await until(events, RunEnded)

    assert standin.state.seen.interrupts == [prompt_id]


@pytest.mark.parametrize("generation", Generation)
async def test_stopping_what_is_over_stops_nobody_else(standin: StandIn, connect: Connect, generation: Generation):
    standin.state.generation = generation
    server = await connect(standin.url)
    prompt_id = new_id()
    await follow(server, txt2img(MODEL), prompt_id)
    standin.post_as(txt2img(MODEL, seed=5, steps=20))
    await server.interrupt(prompt_id)

    assert standin.state.seen.requests["POST /interrupt"] == 0  # servers of early 2025 would not look at the id
    assert standin.state.seen.frames["execution_interrupted"] == 0


async def test_definitions_are_there_soon_and_can_be_renewed(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    await eventually(lambda: bool(server.definitions.nodes))
    assert MODEL in server.definitions.choices("CheckpointLoaderSimple.ckpt_name")

    standin.state.models["checkpoints"].append("new.safetensors")
    await server.refresh_definitions()
    assert "new.safetensors" in server.definitions.choices("CheckpointLoaderSimple.ckpt_name")


async def test_definitions_are_read_again_when_the_server_comes_back(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    await eventually(lambda: bool(server.definitions.nodes))
    await standin.kill()
    standin.state.models["checkpoints"] = ["new.safetensors"]
    await standin.start()

    await eventually(lambda: server.definitions.choices("CheckpointLoaderSimple.ckpt_name") == ("new.safetensors",), 10)


async def test_two_followers_of_one_prompt_are_a_mistake(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    prompt_id = new_id()
    async with server.subscribe(prompt_id):
        with pytest.raises(ValueError, match="already has a subscriber"):
            async with server.subscribe(prompt_id):
                pass


async def test_a_prompt_of_an_earlier_life_of_the_bot_is_followed_once_it_is_found(standin: StandIn, connect: Connect):
    earlier, later = await connect(standin.url), await connect(standin.url)
    prompt_id = new_id()
    await earlier.submit(prompt_id, txt2img(MODEL, steps=20))
    async with later.subscribe(prompt_id) as events:
        assert await later.locate(prompt_id) in {PromptLocation.PENDING, PromptLocation.RUNNING}
        assert [event async for event in events] == [RunStarted(), RunEnded()]

    assert (await later.result(prompt_id)).failure is None
