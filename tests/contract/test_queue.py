"""The order in which prompts run, and how they are taken out of the queue or stopped."""

import asyncio

import pytest

from tests.contract.client import Client, Socket, kinds, picture_graph


@pytest.fixture
async def busy(client: Client) -> tuple[Socket, str]:
    """A server that samples until it is stopped, and the socket of that prompt."""
    socket = await client.socket()
    prompt_id = await client.queue(await client.endless(), client_id=socket.sid)
    await socket.until("progress")
    return socket, prompt_id


async def pending(client: Client) -> list[str]:
    """Ids in the order in which they will run."""
    items = (await client.get("/queue"))["queue_pending"]
    return [item[1] for item in sorted(items, key=lambda item: (item[0], item[1]))]


async def test_an_item_has_five_parts(client: Client, busy: tuple[Socket, str]) -> None:
    waiting = await client.queue(picture_graph(), client_id="somebody", extra_data={"tag": 1})
    queue = await client.get("/queue")
    assert [item[1] for item in queue["queue_running"]] == [busy[1]]
    ((number, prompt_id, graph, extra, outputs),) = queue["queue_pending"]
    assert isinstance(number, int)
    assert prompt_id == waiting
    assert graph["3"]["class_type"] == "SaveImage"
    assert (extra["client_id"], extra["tag"]) == ("somebody", 1)
    assert outputs == ["3"]


async def test_smaller_numbers_first_and_the_last_front_before_all(client: Client, busy: tuple[Socket, str]) -> None:
    plain = await client.queue(picture_graph())
    early = await client.queue(picture_graph(), number=-0.5)
    front = [await client.queue(picture_graph(), front=True) for _ in range(2)]
    assert await pending(client) == [front[1], front[0], early, plain]
    await client.call("POST", "/interrupt", json={"prompt_id": busy[1]})
    await client.until_idle()
    history = await client.get("/history?max_items=4")
    assert list(history) == [front[1], front[0], early, plain]


async def test_everybody_learns_the_length_of_the_queue(client: Client, busy: tuple[Socket, str]) -> None:
    other = await client.socket()
    await client.queue(picture_graph())
    assert (await other.until("status"))["status"]["exec_info"]["queue_remaining"] == 2
    assert (await client.get("/prompt"))["exec_info"]["queue_remaining"] == 2


async def test_a_deleted_prompt_just_disappears(client: Client, busy: tuple[Socket, str]) -> None:
    socket = busy[0]
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    answer = await client.call("POST", "/queue", json={"delete": [prompt_id, "unknown"]})
    assert (answer.status, answer.body) == (200, b"")
    assert await pending(client) == []
    assert await client.history(prompt_id) == {}
    named = [data for kind, data in await socket.quiet() if not kind.startswith("binary")]
    assert not any(data.get("prompt_id") == prompt_id for data in named)


async def test_clearing_spares_the_running_prompt(client: Client, busy: tuple[Socket, str]) -> None:
    for _ in range(3):
        await client.queue(picture_graph())
    await client.call("POST", "/queue", json={"clear": True})
    assert await pending(client) == []
    assert (await client.get("/queue"))["queue_running"][0][1] == busy[1]


async def test_deleting_the_running_prompt_has_no_effect(client: Client, busy: tuple[Socket, str]) -> None:
    assert (await client.call("POST", "/queue", json={"delete": [busy[1]]})).status == 200
    await busy[0].until("progress")


@pytest.mark.parametrize("body", [b"", b'{"delete": null}', b"[1]"])
async def test_a_queue_request_without_sense(client: Client, body: bytes) -> None:
    answer = await client.call("POST", "/queue", data=body)
    assert answer.status == (200 if body == b"[1]" else 500)


async def test_two_prompts_with_one_id_both_run(client: Client, busy: tuple[Socket, str]) -> None:
    prompt_id = await client.queue(picture_graph())
    again = await client.post(picture_graph(), prompt_id=prompt_id)
    assert again.status == 200
    assert await pending(client) == [prompt_id, prompt_id]


async def test_one_id_and_one_number_is_an_error_but_queued(client: Client, busy: tuple[Socket, str]) -> None:
    first = await client.post(picture_graph(), number=7)
    prompt_id = first.json["prompt_id"]
    second = await client.post(picture_graph(), number=7, prompt_id=prompt_id)
    assert second.status == 500
    assert await pending(client) == [prompt_id, prompt_id]
    await client.call("POST", "/queue", json={"clear": True})


# ------------------------------------------------------------ interrupting


@pytest.mark.parametrize("named", [True, False])
async def test_an_interrupted_prompt_is_an_error_in_history(
    client: Client, busy: tuple[Socket, str], named: bool
) -> None:
    socket, prompt_id = busy
    answer = await client.call("POST", "/interrupt", **({"json": {"prompt_id": prompt_id}} if named else {}))
    assert (answer.status, answer.body) == (200, b"")
    frames = await socket.until_over(prompt_id)
    assert kinds(frames)[-3:] == ["execution_interrupted", "status", "executing"]
    data = frames[-3][1]
    assert (data["node_id"], data["node_type"]) == ("5", "KSampler")
    assert set(data["executed"]) <= {"1", "2", "3", "4"}
    status = (await client.history(prompt_id))["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    assert status["messages"][-1] == ["execution_interrupted", data]


async def test_an_interrupt_for_another_prompt_is_ignored(client: Client, busy: tuple[Socket, str]) -> None:
    waiting = await client.queue(picture_graph())
    for prompt_id in (waiting, "unknown"):
        assert (await client.call("POST", "/interrupt", json={"prompt_id": prompt_id})).status == 200
    await busy[0].until("progress")
    assert await pending(client) == [waiting]


async def test_an_empty_id_interrupts_whatever_runs(client: Client, busy: tuple[Socket, str]) -> None:
    await client.call("POST", "/interrupt", json={"prompt_id": ""})
    await busy[0].until("execution_interrupted")


async def test_an_interrupt_while_idle_is_forgotten(client: Client) -> None:
    assert (await client.call("POST", "/interrupt", json={})).status == 200
    assert (await client.run(picture_graph()))["status"]["completed"] is True


@pytest.mark.parametrize("body", [b"[]", b"null"])
async def test_an_interrupt_that_is_no_object(client: Client, body: bytes) -> None:
    assert (await client.call("POST", "/interrupt", data=body)).status == 500


async def test_everybody_hears_when_an_anonymous_prompt_is_stopped(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(await client.endless())
    await socket.until("progress")
    await client.call("POST", "/interrupt", json={"prompt_id": prompt_id})
    assert (await socket.until("execution_interrupted"))["prompt_id"] == prompt_id


async def test_the_next_prompt_starts_by_itself(client: Client, busy: tuple[Socket, str]) -> None:
    socket, running = busy
    waiting = await client.queue(picture_graph(), client_id=socket.sid)
    await client.call("POST", "/interrupt", json={"prompt_id": running})
    await socket.until_over(running)
    frames = await socket.until_over(waiting)
    assert kinds(frames)[:2] == ["status", "execution_start"]


async def test_running_and_pending_are_not_in_history(client: Client, busy: tuple[Socket, str]) -> None:
    waiting = await client.queue(picture_graph())
    for prompt_id in (busy[1], waiting, "unknown"):
        assert await client.get(f"/history/{prompt_id}") == {}
    await asyncio.sleep(0)
