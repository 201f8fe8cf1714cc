"""What the server remembers of finished prompts, and how graphs fail."""

from typing import Any

import pytest

from tests.contract.client import Client, kinds, picture_graph


async def test_an_entry_holds_prompt_outputs_status_and_meta(client: Client) -> None:
    entry = await client.run(picture_graph())
    assert set(entry) == {"prompt", "outputs", "status", "meta"}
    assert len(entry["prompt"]) == 5
    (file,) = entry["outputs"]["3"]["images"]
    assert (file["subfolder"], file["type"]) == ("contract", "output")
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)
    assert [kind for kind, _ in entry["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert entry["meta"]["3"] == {"node_id": "3", "display_node": "3", "parent_node": None, "real_node_id": "3"}


async def test_pages_are_oldest_first(client: Client) -> None:
    ids = [await client.queue(picture_graph()) for _ in range(3)]
    await client.until_idle()
    total = len(await client.get("/history"))
    assert list(await client.get("/history?max_items=2")) == ids[1:]
    assert list(await client.get(f"/history?max_items=2&offset={total - 3}")) == ids[:2]
    assert await client.get("/history?max_items=0") == {}
    assert (await client.call("GET", "/history?max_items=abc")).status == 500


async def test_entries_can_be_deleted(client: Client) -> None:
    first, second = [await client.queue(picture_graph()) for _ in range(2)]
    await client.until_idle()
    answer = await client.call("POST", "/history", json={"delete": [first]})
    assert (answer.status, answer.body) == (200, b"")
    assert await client.history(first) == {}
    assert await client.history(second) != {}


async def test_freeing_memory_forgets_cached_results(client: Client) -> None:
    graph = picture_graph()
    first = await client.run(graph)
    assert (await client.call("POST", "/free", json={"free_memory": True})).status == 200
    await client.run(graph)  # the server may take it before it gets round to freeing
    later = await client.run(graph)
    assert later["outputs"]["3"]["images"] != first["outputs"]["3"]["images"]
    assert (await client.call("POST", "/free")).status == 500


@pytest.fixture
async def broken(client: Client) -> dict[str, Any]:
    """A graph that validates and fails when it runs, after one output is done."""
    name = (await client.upload("contract-broken.png", b"this is no picture")).json["name"]
    graph = picture_graph()
    graph["4"] = {"class_type": "LoadImage", "inputs": {"image": name}}
    graph["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    return graph


async def test_a_failing_node_ends_the_prompt(client: Client, broken: dict[str, Any]) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(broken, client_id=socket.sid)
    frames = await socket.until_over(prompt_id)
    assert kinds(frames)[-3:] == ["execution_error", "status", "executing"]
    data = frames[-3][1]
    assert (data["node_id"], data["node_type"]) == ("4", "LoadImage")
    assert data["exception_type"] == "PIL.UnidentifiedImageError"
    assert data["exception_message"].endswith("\n")
    assert data["traceback"]
    assert all(isinstance(line, str) for line in data["traceback"])
    assert isinstance(data["current_inputs"], dict)
    status = (await client.history(prompt_id))["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    assert status["messages"][-1] == ["execution_error", data]


async def test_an_anonymous_failure_is_told_to_nobody(client: Client, broken: dict[str, Any]) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(broken)
    await client.until_idle()
    assert set(kinds(await socket.quiet())) <= {"status", "progress_state", "progress"}
    assert (await client.history(prompt_id))["status"]["status_str"] == "error"


async def test_a_text_where_a_link_belongs_fails_when_it_runs(client: Client) -> None:
    graph = picture_graph()
    graph["2"]["inputs"]["image"] = "x"
    entry = await client.run(graph)
    kind, data = entry["status"]["messages"][-1]
    assert (kind, data["node_id"]) == ("execution_error", "2")


async def test_saving_outside_the_output_folder_fails(client: Client) -> None:
    graph = picture_graph()
    graph["3"]["inputs"]["filename_prefix"] = "../../escaped"
    entry = await client.run(graph)
    assert entry["status"]["messages"][-1][0] == "execution_error"
