"""What a scenario does to running graphs: failures, interruptions, outputs, previews."""

import io
import json
import math
from typing import Any

from PIL import Image

from bot.sandbox.comfyui import (
    BLOCKED,
    BLOCKED_SILENTLY,
    OUT_OF_MEMORY,
    Generation,
    NodeFault,
    StandIn,
)
from tests.contract.client import Client, Socket, kinds, picture_graph


async def ended(client: Client, graph: dict[str, Any]) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """Run a graph; return its frames and its history entry."""
    socket = await client.socket()
    prompt_id = await client.queue(graph, client_id=socket.sid)
    frames = await socket.until_over(prompt_id)
    return frames, await client.history(prompt_id)


async def test_a_node_fails_by_id_or_by_class(server: StandIn, client: Client) -> None:
    for key in ("2", "ImageInvert"):
        server.state.node_faults = {key: NodeFault("boom", "some.Error")}
        _, entry = await ended(client, picture_graph())
        kind, data = entry["status"]["messages"][-1]
        assert (kind, data["node_id"], data["exception_type"]) == ("execution_error", "2", "some.Error")
        assert data["executed"] == ["1"]
        assert "/opt/ComfyUI/" in "".join(data["traceback"])


async def test_running_out_of_memory(server: StandIn, client: Client) -> None:
    server.state.node_faults["KSampler"] = OUT_OF_MEMORY
    _, entry = await ended(client, await client.sampling())
    data = entry["status"]["messages"][-1][1]
    assert data["exception_type"] == "torch.OutOfMemoryError"
    assert "you ran out of memory on your GPU" in data["exception_message"]


async def test_pictures_that_are_too_big_run_out_of_memory(server: StandIn, client: Client) -> None:
    server.state.memory_pixels = 64 * 64
    assert (await ended(client, picture_graph()))[1]["status"]["completed"]
    _, entry = await ended(client, picture_graph(size=128))
    assert entry["status"]["messages"][-1][1]["exception_type"] == "torch.OutOfMemoryError"


async def test_a_blocked_output_is_an_error_and_then_success(server: StandIn, client: Client) -> None:
    server.state.node_faults["2"] = BLOCKED
    frames, entry = await ended(client, picture_graph())
    (data,) = [data for kind, data in frames if kind == "execution_error"]
    assert (data["node_id"], data["exception_type"]) == ("3", "ExecutionBlocked")
    assert data["exception_message"] == "Execution Blocked: not allowed here"
    assert "timestamp" not in data
    assert "execution_success" in kinds(frames)
    assert (entry["outputs"], entry["status"]["status_str"]) == ({}, "success")


async def test_everybody_hears_of_an_anonymous_blocked_output(server: StandIn, client: Client) -> None:
    server.state.node_faults["2"] = BLOCKED
    socket = await client.socket()
    server.post_as(picture_graph())
    assert (await socket.until("execution_error"))["exception_type"] == "ExecutionBlocked"


async def test_an_output_can_be_blocked_without_a_word(server: StandIn, client: Client) -> None:
    server.state.node_faults["2"] = BLOCKED_SILENTLY
    frames, entry = await ended(client, picture_graph())
    assert "execution_error" not in kinds(frames)
    assert (entry["outputs"], entry["status"]["status_str"]) == ({}, "success")


async def test_somebody_else_stops_it(server: StandIn, client: Client) -> None:
    server.state.interrupt_at_step = 2
    frames, entry = await ended(client, await client.sampling(steps=5))
    assert [data["value"] for kind, data in frames if kind == "progress"] == [1]
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert (await ended(client, await client.sampling(steps=5)))[1]["status"]["completed"]


async def test_a_node_without_steps_cannot_be_interrupted_and_the_next_is_blamed(
    server: StandIn, client: Client
) -> None:
    server.state.load_seconds = 0.2
    socket = await client.socket()
    prompt_id = await client.queue(await client.sampling(), client_id=socket.sid)
    await until_node(socket, "1")
    await client.call("POST", "/interrupt", json={"prompt_id": prompt_id})
    data = await socket.until("execution_interrupted")
    assert data["node_id"] != "1"
    assert "1" in data["executed"]


async def until_node(socket: Socket, node_id: str) -> None:
    while (await socket.until("executing"))["node"] != node_id:
        continue


async def test_outputs_can_be_missing(server: StandIn, client: Client) -> None:
    server.state.dropped_outputs = {"SaveImage"}
    frames, entry = await ended(client, picture_graph())
    assert "executed" not in kinds(frames)
    assert (entry["outputs"], entry["status"]["status_str"]) == ({}, "success")


async def test_files_can_vanish(server: StandIn, client: Client) -> None:
    server.state.delete_outputs = True
    _, entry = await ended(client, picture_graph())
    (file,) = entry["outputs"]["3"]["images"]
    path = f"/view?filename={file['filename']}&subfolder={file['subfolder']}"
    assert (await client.call("GET", path)).status == 404


async def test_outputs_may_hold_anything(server: StandIn, client: Client) -> None:
    server.state.extra_output = {"gifs": [{"filename": "a.mp4", "subfolder": "", "type": "output"}]}
    server.state.nan_in_output = True
    _, entry = await ended(client, picture_graph())
    assert entry["outputs"]["3"]["gifs"][0]["filename"] == "a.mp4"
    assert math.isnan(entry["outputs"]["3"]["score"][0])
    assert b"NaN" in (await client.call("GET", "/history")).body


async def test_classes_can_be_missing(server: StandIn, client: Client) -> None:
    server.state.missing_classes = {"ImageInvert"}
    assert (await client.post(picture_graph())).json["error"]["type"] == "missing_node_type"
    assert "ImageInvert" not in await client.get("/object_info")


async def test_models_can_come_and_go(server: StandIn, client: Client) -> None:
    server.state.models["checkpoints"] = ["only-this.safetensors"]
    graph = await client.sampling()
    assert graph["1"]["inputs"]["ckpt_name"] == "only-this.safetensors"
    server.state.models["checkpoints"] = []
    assert (await client.post(graph)).status == 400


async def test_previews_are_off_unless_a_prompt_asks(server: StandIn, client: Client) -> None:
    server.state.previews = False
    socket = await client.socket()
    without = await client.queue(await client.sampling(), client_id=socket.sid)
    assert "binary 1" not in kinds(await socket.until_over(without))
    asked = {"preview_method": "auto"}
    wanted = await client.queue(await client.sampling(), client_id=socket.sid, extra_data=asked)
    assert "binary 1" in kinds(await socket.until_over(wanted))
    server.state.generation = Generation.OLD
    ignored = await client.queue(await client.sampling(), client_id=socket.sid, extra_data=asked)
    assert "binary 1" not in kinds(await socket.until_over(ignored))


async def test_plain_pictures_differ_and_have_previews_all_the_same(server: StandIn, client: Client) -> None:
    server.state.plain = True
    colors: set[bytes] = set()
    for seed in (1, 2):
        frames, entry = await ended(client, await client.sampling(seed=seed, steps=2))
        assert len([data for kind, data in frames if kind == "binary 1" and data[4:].startswith(b"\xff\xd8")]) == 2
        (file,) = entry["outputs"]["7"]["images"]
        path = f"/view?filename={file['filename']}&subfolder={file['subfolder']}"
        with Image.open(io.BytesIO((await client.call("GET", path)).body)) as picture:
            assert picture.size == (64, 64)
            drawn = picture.convert("RGB")
        assert drawn.getextrema() == tuple((value, value) for value in drawn.tobytes()[:3])
        colors.add(drawn.tobytes()[:3])
    assert len(colors) == 2


async def test_anonymous_previews_go_to_everybody_without_a_name(server: StandIn, client: Client) -> None:
    socket = await client.socket(flags={"supports_preview_metadata": True})
    server.post_as(await client.sampling(steps=1))
    assert (await socket.until("binary 1"))[4:].startswith(b"\xff\xd8")


async def test_pictures_over_the_socket(client: Client) -> None:
    graph = picture_graph(batch=2)
    graph["3"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["2", 0]}}
    frames, entry = await ended(client, graph)
    pictures = [data for kind, data in frames if kind == "binary 1"]
    assert [int.from_bytes(data[:4]) for data in pictures] == [2, 2]
    assert all(data[4:].startswith(b"\x89PNG") for data in pictures)
    assert [data["value"] for kind, data in frames if kind == "progress"] == [0, 1]
    assert entry["outputs"] == {}


async def test_keys_are_hidden_as_the_generation_hides_them(server: StandIn, client: Client) -> None:
    server.state.frozen = False
    server.state.seconds_per_step = 0.01
    secret = {"api_key_comfy_org": "secret", "tag": 1}
    for generation, is_shown in ((Generation.OLD, True), (Generation.NEW, False)):
        server.state.generation = generation
        prompt_id = await client.queue(await client.sampling(steps=30), extra_data=dict(secret))
        queue = json.dumps(await client.get("/queue"))
        assert ("secret" in queue) is is_shown
        await client.until_idle()
        assert "secret" not in json.dumps(await client.history(prompt_id))
