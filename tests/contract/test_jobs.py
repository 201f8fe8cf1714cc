"""`/api/jobs`: on servers that have it, and the way in which the others say that they do not."""

import uuid
from typing import Any

import pytest

from tests.contract.client import Client, picture_graph
from tests.contract.servers import only_new, only_old


@pytest.fixture
async def new(client: Client) -> Client:
    """A server with the jobs API."""
    if not await client.is_new():
        pytest.skip("this live server has no jobs API")
    return client


async def job(client: Client, prompt_id: str) -> dict[str, Any]:
    return await client.get(f"/api/jobs/{prompt_id}")


@only_old
async def test_an_old_server_does_not_have_it(client: Client) -> None:
    if await client.is_new():
        pytest.skip("this live server has the jobs API")
    for path in ("/api/jobs", f"/api/jobs/{uuid.uuid4()}"):
        answer = await client.call("GET", path)
        assert (answer.status, answer.content_type, answer.body) == (404, "application/octet-stream", b"")
    assert (await client.call("POST", f"/api/jobs/{uuid.uuid4()}/cancel")).status == 405


@only_new
async def test_it_exists_under_api_only(new: Client) -> None:
    assert (await new.call("GET", "/jobs")).status == 404


@only_new
async def test_a_completed_job(new: Client) -> None:
    prompt_id = await new.queue(picture_graph(batch=2))
    await new.until_idle()
    found = await job(new, prompt_id)
    assert (found["id"], found["status"]) == (prompt_id, "completed")
    assert found["execution_start_time"] <= found["execution_end_time"]
    assert found["outputs_count"] == 2
    assert len(found["outputs"]["3"]["images"]) == 2
    assert found["execution_status"]["completed"] is True
    preview = found["preview_output"]
    assert (preview["nodeId"], preview["mediaType"], preview["type"]) == ("3", "images", "output")


@only_new
async def test_running_and_waiting_jobs(new: Client) -> None:
    socket = await new.socket()
    running = await new.queue(await new.endless(), client_id=socket.sid)
    waiting = await new.queue(picture_graph())
    await socket.until("progress")
    assert (await job(new, running))["status"] == "in_progress"
    assert (await job(new, waiting))["status"] == "pending"
    both = await new.get("/api/jobs?status=pending,in_progress")
    assert {found["id"] for found in both["jobs"]} == {running, waiting}


@only_new
async def test_cancelling_works_wherever_the_job_is(new: Client) -> None:
    socket = await new.socket()
    running = await new.queue(await new.endless(), client_id=socket.sid)
    waiting = await new.queue(picture_graph())
    await socket.until("progress")
    for prompt_id in (waiting, running):
        answer = await new.call("POST", f"/api/jobs/{prompt_id}/cancel")
        assert (answer.status, answer.json) == (200, {"cancelled": True})
    await socket.until_over(running)
    assert (await job(new, running))["status"] == "cancelled"
    assert (await new.call("GET", f"/api/jobs/{waiting}")).status == 404


@only_new
async def test_cancelling_what_is_over_does_nothing(new: Client) -> None:
    prompt_id = await new.queue(picture_graph())
    await new.until_idle()
    for one in (prompt_id, str(uuid.uuid4())):
        assert (await new.call("POST", f"/api/jobs/{one}/cancel")).json == {"cancelled": False}
    answer = await new.call("POST", "/api/jobs/cancel", json={"job_ids": [prompt_id]})
    assert answer.json == {"cancelled": False}
    assert (await job(new, prompt_id))["status"] == "completed"


@only_new
@pytest.mark.parametrize("body", [b"x", b"{}", b"[]", b'{"job_ids": ["x"]}'])
async def test_a_batch_that_makes_no_sense(new: Client, body: bytes) -> None:
    answer = await new.call("POST", "/api/jobs/cancel", data=body)
    assert answer.status == 400
    assert "error" in answer.json


@only_new
async def test_a_failed_job_says_why(new: Client) -> None:
    name = (await new.upload("contract-broken.png", b"this is no picture")).json["name"]
    graph = picture_graph()
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": name}}
    prompt_id = await new.queue(graph)
    await new.until_idle()
    found = await job(new, prompt_id)
    assert found["status"] == "failed"
    assert found["execution_error"]["exception_type"] == "PIL.UnidentifiedImageError"


@only_new
async def test_pages(new: Client) -> None:
    for _ in range(3):
        await new.queue(picture_graph())
    await new.until_idle()
    page = await new.get("/api/jobs?limit=2&offset=1&status=completed")
    assert len(page["jobs"]) == 2
    assert (page["pagination"]["limit"], page["pagination"]["offset"]) == (2, 1)
    assert page["pagination"]["total"] >= 3


@only_new
@pytest.mark.parametrize("query", ["status=bogus", "limit=0", "limit=x", "sort_by=x", "sort_order=x"])
async def test_a_query_that_makes_no_sense(new: Client, query: str) -> None:
    answer = await new.call("GET", f"/api/jobs?{query}")
    assert answer.status == 400
    assert "error" in answer.json


@only_new
async def test_an_unknown_job(new: Client) -> None:
    answer = await new.call("GET", f"/api/jobs/{uuid.uuid4()}")
    assert (answer.status, answer.json) == (404, {"error": "Job not found"})
