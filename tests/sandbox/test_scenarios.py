"""What a scenario does to requests, sockets and frames, and what the state tells afterwards."""

import asyncio

import aiohttp
import pytest

from bot.sandbox.comfyui import (
    ALWAYS,
    StandIn,
)
from tests.contract.client import Client, kinds, picture_graph

# ------------------------------------------------------------ requests


async def test_a_number_of_requests_fails(server: StandIn, client: Client) -> None:
    server.state.answer_500["POST /prompt"] = 2
    statuses = [(await client.post(picture_graph())).status for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert len(server.state.seen.prompts) == 1


async def test_requests_fail_until_further_notice(server: StandIn, client: Client) -> None:
    server.state.answer_500["GET /view"] = ALWAYS
    for _ in range(3):
        assert (await client.call("GET", "/view?filename=x.png")).status == 500
    assert (await client.call("GET", "/prompt")).status == 200


async def test_every_request_can_be_meant(server: StandIn, client: Client) -> None:
    server.state.answer_500["*"] = 1
    assert (await client.call("GET", "/api/object_info/KSampler")).status == 500
    assert server.state.seen.requests == {"GET /object_info": 1}


async def test_an_answer_gets_lost_after_the_prompt_was_queued(server: StandIn, client: Client) -> None:
    server.state.drop_answer["POST /prompt"] = 1
    with pytest.raises(aiohttp.ClientError):
        await client.post(picture_graph())
    await client.until_idle()
    (prompt_id,) = server.state.seen.prompts
    assert (await client.history(prompt_id))["status"]["completed"]


async def test_a_request_gets_lost_before_anything_happens(server: StandIn, client: Client) -> None:
    server.state.drop_request["POST /prompt"] = 1
    with pytest.raises(aiohttp.ClientError):
        await client.post(picture_graph())
    assert server.state.seen.prompts == []


async def test_a_slow_answer(server: StandIn, client: Client) -> None:
    server.state.answer_delay_ms["GET /queue"] = 60_000
    with pytest.raises(TimeoutError):
        await client.call("GET", "/queue", timeout=aiohttp.ClientTimeout(total=0.1))
    await client.get("/prompt")


async def test_big_bodies_are_refused_everywhere(server: StandIn, client: Client) -> None:
    server.state.max_upload_size = 1000
    for answer in (await client.upload("big.png", b"x" * 2000), await client.post({"1": "x" * 2000})):
        assert (answer.status, answer.text) == (413, "Maximum request body size 1000 exceeded.")
    assert (await client.get("/features"))["max_upload_size"] == 1000


# ------------------------------------------------------------ the process and its sockets


async def test_a_frozen_server_answers_later(server: StandIn, client: Client) -> None:
    socket = await client.socket()
    server.state.frozen = True
    asking = asyncio.create_task(client.queue(picture_graph(), client_id=socket.sid))
    await asyncio.sleep(0.05)
    assert not asking.done()
    server.state.frozen = False
    await socket.until_over(await asking)


async def test_a_stuck_publisher_leaves_http_alone(server: StandIn, client: Client) -> None:
    socket = await client.socket()
    server.state.publisher_stuck = True
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    await client.until_idle()
    assert (await client.history(prompt_id))["status"]["completed"]
    assert await socket.quiet(0.1) == []
    server.state.publisher_stuck = False
    await socket.until_over(prompt_id)


async def test_the_takeover_fault_can_be_repaired(server: StandIn, client: Client) -> None:
    server.state.deaf_takeover = False
    old = await client.socket()
    new = await client.socket(old.sid)
    await old.raw.close()
    await new.until_over(await client.queue(picture_graph(), client_id=new.sid))


async def test_a_proxy_without_websockets(server: StandIn, client: Client) -> None:
    server.state.refuse_sockets = True
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.socket()


async def test_frames_of_one_type_get_lost(server: StandIn, client: Client) -> None:
    server.state.lost_frames = {"execution_success", "progress_state"}
    socket = await client.socket()
    frames = await socket.until_over(await client.queue(picture_graph(), client_id=socket.sid))
    assert "executed" in kinds(frames)
    assert not server.state.lost_frames & set(kinds(frames))


async def test_history_can_come_late(server: StandIn, client: Client) -> None:
    server.state.history_delay = 0.2
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    await socket.until("execution_success")
    assert await client.history(prompt_id) == {}
    await socket.until("status")
    assert await client.history(prompt_id) != {}


async def test_flags_that_are_no_object_break_every_prompt_with_previews(client: Client) -> None:
    socket = await client.socket(flags=[1, 2])
    prompt_id = await client.queue(await client.sampling(), client_id=socket.sid)
    data = await socket.until("execution_error")
    assert data["exception_type"] == "AttributeError"
    assert data["exception_message"] == "'list' object has no attribute 'get'\n"
    assert data["prompt_id"] == prompt_id


# ------------------------------------------------------------ what was seen


async def test_the_state_tells_what_reached_the_server(server: StandIn, client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(5), client_id=socket.sid)
    await socket.until_over(prompt_id)
    await client.upload("seen.png", b"bytes", subfolder="a")
    await client.call("POST", "/interrupt", json={"prompt_id": "x"})
    seen = server.state.seen
    assert (seen.sockets_opened, seen.sockets_open) == (1, 1)
    assert seen.prompts == [prompt_id]
    assert seen.graphs[prompt_id]["1"]["inputs"]["color"] == 5
    assert seen.uploads == {"a/seen.png": b"bytes"}
    assert seen.interrupts == ["x"]
    assert (seen.requests["POST /prompt"], seen.requests["GET /ws"]) == (1, 1)
    assert seen.frames["executed"] == 1
