"""What happens to a job when the server, the network or the socket do not do their part."""

import asyncio
import contextlib
import dataclasses

import aiohttp
import pytest

from bot.sandbox.comfyui import StandIn
from bot.workflow.run.events import (
    FailureKind,
    Progress,
    PromptLocation,
    RunEnded,
    RunLost,
    RunStarted,
    ServerFaultError,
    ServerOfflineError,
)
from tests.comfy.conftest import FAST, Connect
from tests.comfy.graphs import txt2img
from tests.comfy.relay import Relay
from tests.comfy.runs import eventually, follow, new_id, run, until, until_finished

MODEL = "dreamscape-sd15.safetensors"


# ------------------------------------------------------------------ the server dies


async def test_a_server_killed_in_mid_run_has_lost_the_job(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, poll=60.0))
    running, waiting = new_id(), new_id()
    async with server.subscribe(running) as first, server.subscribe(waiting) as second:
        await server.submit(running, txt2img(MODEL, steps=200))
        await server.submit(waiting, txt2img(MODEL, seed=2))
        await until(first, Progress)
        await standin.kill()
        await eventually(lambda: not server.online)
        await standin.start()
        assert await until(first, RunLost) == RunLost()
        assert await until(second, RunLost) == RunLost()

    assert (await run(server, txt2img(MODEL, seed=3))).failure is None


async def test_while_the_server_is_away_nothing_is_decided(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    prompt_id = new_id()
    async with server.subscribe(prompt_id) as events:
        await server.submit(prompt_id, txt2img(MODEL, steps=200))
        await until(events, RunStarted)
        await standin.kill()
        with pytest.raises(ServerOfflineError):
            await server.locate(prompt_id)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await until(events, RunLost)


async def test_a_server_that_comes_later_is_waited_for(standin: StandIn, connect: Connect):
    await standin.kill()
    changes: list[bool] = []
    server = await connect(standin.url, online=False, on_change=changes.append)
    assert not server.online
    with pytest.raises(ServerOfflineError):
        await server.submit(new_id(), txt2img(MODEL))

    await standin.start()
    async with asyncio.timeout(5):
        await server.wait_online()
    assert server.online
    assert changes == [True]
    await standin.kill()
    await eventually(lambda: changes == [True, False])


async def test_a_prompt_that_is_not_posted_yet_cannot_be_lost(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    prompt_id = new_id()
    async with server.subscribe(prompt_id) as events:
        await standin.kill()
        await standin.start()
        await eventually(lambda: standin.state.seen.sockets_opened == 2)
        await asyncio.sleep(5 * FAST.tick + 2 * FAST.second_check)
        await server.submit(prompt_id, txt2img(MODEL))
        assert await until(events, RunEnded) == RunEnded()


# ------------------------------------------------------------------ answers get lost


async def test_a_post_whose_answer_was_lost_is_found_and_followed(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    first, second = new_id(), new_id()
    async with server.subscribe(first) as events, server.subscribe(second) as later:
        await server.submit(first, txt2img(MODEL, steps=30))
        standin.state.drop_answer["POST /prompt"] = 1
        with pytest.raises(ServerOfflineError):
            await server.submit(second, txt2img(MODEL, seed=2))
        assert await server.locate(second) is PromptLocation.PENDING
        await until(events, RunEnded)
        await until(later, RunEnded)

    assert await server.locate(second) is PromptLocation.FINISHED
    assert standin.state.seen.prompts == [first, second]


async def test_a_post_that_never_arrived_is_nowhere(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    prompt_id = new_id()
    standin.state.drop_request["POST /prompt"] = 1
    with pytest.raises(ServerOfflineError):
        await server.submit(prompt_id, txt2img(MODEL))

    assert await server.locate(prompt_id) is PromptLocation.UNKNOWN
    assert standin.state.seen.prompts == []


async def test_a_refusal_in_plain_text_is_a_fault_and_not_repeated(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    standin.state.answer_500["POST /prompt"] = 1
    with pytest.raises(ServerFaultError) as caught:
        await server.submit(new_id(), txt2img(MODEL))

    assert caught.value.status == 500
    assert standin.state.seen.requests["POST /prompt"] == 1


async def test_a_question_that_broke_off_is_asked_again(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    standin.state.drop_request["GET /queue"] = 2
    assert await server.locate(new_id()) is PromptLocation.UNKNOWN


# ------------------------------------------------------------------ frames get lost


async def test_an_end_that_is_announced_but_not_told_is_looked_up(standin: StandIn, connect: Connect):
    standin.state.lost_frames.add("executing")
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, silence=60.0))

    assert (await follow(server, txt2img(MODEL)))[-1] == RunEnded()
    assert standin.state.seen.sockets_opened == 1


async def test_a_prompt_about_which_nothing_is_heard_is_looked_for(standin: StandIn, connect: Connect):
    standin.state.lost_frames |= {"executing", "execution_success"}
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, silence=0.5))

    assert (await follow(server, txt2img(MODEL)))[-1] == RunEnded()
    await eventually(lambda: standin.state.seen.sockets_opened == 2)  # a socket that keeps an end to itself is deaf


async def test_silence_about_a_waiting_prompt_asks_the_queue_only(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, silence=0.2))
    first, second = new_id(), new_id()
    async with server.subscribe(first) as events, server.subscribe(second) as later:
        await server.submit(first, txt2img(MODEL, steps=50))
        await server.submit(second, txt2img(MODEL, seed=2))
        await until(events, RunEnded)
        asked = standin.state.seen.requests["GET /history"]
        await until(later, RunEnded)

    assert standin.state.seen.requests["GET /queue"] > 0
    assert asked == 0


async def test_a_socket_that_hears_nothing_is_given_up_once(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, first_event=0.3))
    standin.state.publisher_stuck = True
    for number in range(3):
        assert (await follow(server, txt2img(MODEL, seed=number)))[-1] == RunEnded()
        await server.wait_online()

    assert standin.state.seen.sockets_opened == 2
    assert standin.state.seen.sockets_open == 1


async def test_a_frozen_server_is_not_taken_for_deaf(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, first_event=0.3, settle=0.5))
    prompt_id = new_id()
    async with server.subscribe(prompt_id) as events:
        standin.state.publisher_stuck = True  # the freeze begins with the frame that the POST causes
        await server.submit(prompt_id, txt2img(MODEL, steps=3))
        standin.state.frozen = True
        await asyncio.sleep(1.5)
        standin.state.frozen = standin.state.publisher_stuck = False
        await until(events, RunEnded)

    assert standin.state.seen.sockets_opened == 1


# ------------------------------------------------------------------ the network fails


async def test_a_connection_that_swallows_everything_is_noticed(standin: StandIn, connect: Connect):
    async with Relay.to(standin.url) as relay:
        server = await connect(relay.url, timeouts=dataclasses.replace(FAST, heartbeat=0.4))
        direct = await connect(standin.url)
        prompt_id = new_id()
        async with server.subscribe(prompt_id) as events:
            await server.submit(prompt_id, txt2img(MODEL, steps=20))
            await until(events, Progress)
            relay.hang()
            await eventually(lambda: not server.online)
            await until_finished(direct, prompt_id)
            relay.cut()
            relay.flow()
            await until(events, RunEnded)


async def test_after_a_deaf_connection_runs_go_on_under_a_fresh_id(standin: StandIn, connect: Connect):
    async with Relay.to(standin.url) as relay:
        server = await connect(relay.url, timeouts=dataclasses.replace(FAST, heartbeat=0.4))
        prompt_id = new_id()
        async with server.subscribe(prompt_id) as events:
            await server.submit(prompt_id, txt2img(MODEL, steps=60))
            await until(events, Progress)
            relay.hang()
            await eventually(lambda: not server.online)
            relay.cut_near()  # the server's half of the old socket lives on
            relay.flow()
            await server.wait_online()
            relay.cut_far()
            await until(events, RunEnded)
        story = await follow(server, txt2img(MODEL, seed=2, steps=3))

    assert any(isinstance(event, Progress) for event in story)


async def test_a_proxy_without_websockets_leaves_the_server_offline(standin: StandIn, connect: Connect):
    standin.state.refuse_sockets = True
    server = await connect(standin.url, online=False)
    await eventually(lambda: standin.state.seen.requests["GET /ws"] > 2)

    assert not server.online


async def test_closing_while_offline_and_twice_is_quiet(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    await standin.kill()
    await server.close()
    await server.close()

    assert not server.online


# ------------------------------------------------------------------ somebody else, and those before us


async def test_a_prompt_that_somebody_took_out_of_the_queue_is_noticed_soon(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, silence=60.0))
    running, waiting = new_id(), new_id()
    async with server.subscribe(running) as first, server.subscribe(waiting) as second:
        await server.submit(running, txt2img(MODEL, steps=100))
        await server.submit(waiting, txt2img(MODEL, seed=2))
        await until(first, RunStarted)
        await clear_queue(standin)
        async with asyncio.timeout(2):
            assert await until(second, RunLost) == RunLost()
        await until(first, RunEnded)


async def test_ordinary_ends_are_no_reason_to_look_at_the_queue(standin: StandIn, connect: Connect):
    server = await connect(standin.url, timeouts=dataclasses.replace(FAST, silence=60.0))
    ids = [new_id() for _ in range(4)]
    async with contextlib.AsyncExitStack() as stack:
        events = [await stack.enter_async_context(server.subscribe(prompt_id)) for prompt_id in ids]
        for number, prompt_id in enumerate(ids):
            await server.submit(prompt_id, txt2img(MODEL, seed=number, steps=20))
        for channel in events:
            await until(channel, RunEnded)
    assert standin.state.seen.requests["GET /queue"] == 0


async def test_a_restarted_bot_hears_the_frames_of_what_it_had_posted_before(standin: StandIn, connect: Connect):
    client_id, prompt_id = new_id(), new_id()
    before = await connect(standin.url, client_id=client_id)
    async with before.subscribe(prompt_id) as events:
        await before.submit(prompt_id, txt2img(MODEL, steps=100))
        await until(events, Progress)
    await before.close()
    after = await connect(standin.url, client_id=client_id)
    async with after.subscribe(prompt_id) as events:
        assert not after.receives_events_for(prompt_id)
        assert await after.locate(prompt_id) is PromptLocation.RUNNING
        await until(events, Progress)
        assert after.receives_events_for(prompt_id)
        await until(events, RunEnded)


async def test_what_cannot_be_heard_is_known_not_to_be(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    prompt_id = new_id()
    assert not server.receives_events_for(prompt_id)
    async with server.subscribe(prompt_id) as events:
        await server.submit(prompt_id, txt2img(MODEL, steps=100))
        await until(events, RunStarted)
        assert server.receives_events_for(prompt_id)
        await standin.kill()
        await eventually(lambda: not server.receives_events_for(prompt_id))


async def test_only_that_prompt_is_interrupted(standin: StandIn, connect: Connect):
    server = await connect(standin.url)
    first, second = new_id(), new_id()
    async with server.subscribe(first) as events, server.subscribe(second) as later:
        await server.submit(first, txt2img(MODEL, steps=100))
        await server.submit(second, txt2img(MODEL, seed=2, steps=2))
        await until(events, RunStarted)
        await server.interrupt(first)
        await until(events, RunEnded)
        await until(later, RunEnded)
    assert (await server.result(second)).failure is None
    stopped = (await server.result(first)).failure
    assert stopped is not None
    assert stopped.kind is FailureKind.INTERRUPTED


async def clear_queue(standin: StandIn) -> None:
    """Do what somebody does who presses "clear queue" in ComfyUI."""
    async with aiohttp.ClientSession() as session, session.post(f"{standin.url}/queue", json={"clear": True}) as answer:
        assert answer.status == 200
