"""Which frames a client gets, with what in them and in which order."""

import json
from typing import Any

from tests.contract.client import Client, kinds, picture_graph

FLAGS = {"supports_preview_metadata": True}


def of(frames: list[tuple[str, Any]], wanted: str) -> list[Any]:
    return [data for kind, data in frames if kind == wanted]


async def test_the_greeting_echoes_the_decoded_socket_id(client: Client) -> None:
    socket = await client.socket("name with spaces/ü")
    await socket.raw.close()
    async with client._session.ws_connect(f"{client.url}/ws?clientId=a%20b") as raw:
        frame = json.loads((await raw.receive()).data)
    assert frame["type"] == "status"
    assert frame["data"]["sid"] == "a b"
    assert isinstance(frame["data"]["status"]["exec_info"]["queue_remaining"], int)


async def test_without_an_id_the_server_makes_one_up(client: Client) -> None:
    async with client._session.ws_connect(f"{client.url}/ws") as raw:
        sid = json.loads((await raw.receive()).data)["data"]["sid"]
    assert len(sid) == 32
    assert "-" not in sid


async def test_the_whole_life_of_a_prompt(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    frames = await socket.until_over(prompt_id)
    assert kinds(frames)[:4] == ["status", "status", "execution_start", "execution_cached"]
    assert kinds(frames)[-3:] == ["execution_success", "status", "executing"]
    assert [data["node"] for data in of(frames, "executing")] == ["1", "2", "3", None]
    assert all(data["prompt_id"] == prompt_id for kind, data in frames if kind != "status")
    assert "sid" not in of(frames, "status")[0]
    assert of(frames, "execution_cached")[0]["nodes"] == []
    assert isinstance(of(frames, "execution_success")[0]["timestamp"], int)


async def test_a_node_is_announced_runs_and_is_finished(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    frames = await socket.until_over(prompt_id)
    at = next(i for i, (kind, data) in enumerate(frames) if kind == "executing" and data["node"] == "3")
    assert kinds(frames)[at - 1 : at + 3] == ["progress_state", "executing", "executed", "progress_state"]
    before, after = frames[at - 1][1]["nodes"]["3"], frames[at + 2][1]["nodes"]["3"]
    assert (before["state"], before["value"], before["max"]) == ("running", 0.0, 1.0)
    assert (after["state"], after["value"]) == ("finished", 1.0)
    assert set(frames[at + 2][1]["nodes"]) == {"1", "2", "3"}
    assert frames[at][1] == {"node": "3", "display_node": "3", "prompt_id": prompt_id}


async def test_executed_names_the_files(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(batch=2), client_id=socket.sid)
    (executed,) = of(await socket.until_over(prompt_id), "executed")
    assert executed["node"] == executed["display_node"] == "3"
    files = executed["output"]["images"]
    assert len({file["filename"] for file in files}) == 2
    assert all((file["subfolder"], file["type"]) == ("contract", "output") for file in files)


async def test_history_is_there_at_the_last_frame(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    await socket.until_over(prompt_id)
    assert (await client.history(prompt_id))["status"]["completed"] is True


async def test_an_identical_prompt_is_served_from_the_cache(client: Client) -> None:
    socket, graph = await client.socket(), picture_graph()
    first = await client.queue(graph, client_id=socket.sid)
    (before,) = of(await socket.until_over(first), "executed")
    second = await client.queue(graph, client_id=socket.sid)
    frames = await socket.until_over(second)
    assert sorted(of(frames, "execution_cached")[0]["nodes"]) == ["1", "2", "3"]
    assert of(frames, "executing") == [{"node": None, "prompt_id": second}]
    (executed,) = of(frames, "executed")
    assert executed["output"]["images"] == before["output"]["images"]
    assert executed["prompt_id"] == second
    assert (await client.history(second))["outputs"]["3"]["images"] == before["output"]["images"]


async def test_the_cache_knows_nodes_by_what_they_do_not_by_id(client: Client) -> None:
    socket = await client.socket()
    first = await client.queue(picture_graph(0x123457), client_id=socket.sid)
    await socket.until_over(first)
    renamed = json.loads(json.dumps(picture_graph(0x123457)).replace('["1"', '["11"').replace('["2"', '["12"'))
    renamed = {f"1{node_id}": node for node_id, node in renamed.items()}
    renamed["13"]["inputs"]["filename_prefix"] = "contract/other"
    second = await client.queue(renamed, client_id=socket.sid)
    frames = await socket.until_over(second)
    assert {"11", "12"} <= set(of(frames, "execution_cached")[0]["nodes"])


async def test_other_clients_see_only_the_length_of_the_queue(client: Client) -> None:
    mine, other = await client.socket(), await client.socket()
    prompt_id = await client.queue(picture_graph(), client_id=mine.sid)
    await mine.until_over(prompt_id)
    assert set(kinds(await other.quiet())) == {"status"}


async def test_an_anonymous_prompt_pours_progress_on_everybody(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph())
    await client.until_idle()
    frames = await socket.quiet()
    assert set(kinds(frames)) == {"status", "progress_state"}
    assert all(data["prompt_id"] == prompt_id for data in of(frames, "progress_state"))


async def test_an_id_that_is_no_text_reaches_nobody(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(), client_id=5)
    await client.until_idle()
    assert set(kinds(await socket.quiet())) == {"status"}
    assert (await client.history(prompt_id))["prompt"][3]["client_id"] == 5


async def test_the_id_may_come_in_extra_data(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(picture_graph(), extra_data={"client_id": socket.sid, "tag": [1, "x"]})
    await socket.until_over(prompt_id)
    assert (await client.history(prompt_id))["prompt"][3]["tag"] == [1, "x"]


async def test_a_client_that_left_loses_its_frames_but_not_its_prompt(client: Client) -> None:
    socket = await client.socket()
    await socket.raw.close()
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    await client.until_idle()
    back = await client.socket(socket.sid)
    assert await back.quiet() == []
    assert (await client.history(prompt_id))["status"]["status_str"] == "success"


async def test_coming_back_during_a_run_names_the_node_but_not_the_prompt(client: Client) -> None:
    socket = await client.socket()
    await client.queue(await client.endless(), client_id=socket.sid)
    await socket.until("progress")
    await socket.raw.close()
    back = await client.socket(socket.sid)
    assert await back.until("executing") == {"node": "5"}


# ------------------------------------------------------------ feature flags


async def test_flags_are_answered_with_what_the_server_can_do(client: Client) -> None:
    socket = await client.socket()
    await socket.raw.send_json({"type": "feature_flags", "data": FLAGS})
    answer = await socket.until("feature_flags")
    assert answer == await client.get("/features")
    assert answer["supports_preview_metadata"] is True
    assert answer["max_upload_size"] > 0


async def test_flags_count_only_as_the_first_frame(client: Client) -> None:
    socket = await client.socket()
    await socket.raw.send_json({"type": "hello"})
    await socket.raw.send_json({"type": "feature_flags", "data": FLAGS})
    assert await socket.quiet() == []


async def test_broken_json_does_not_use_up_the_first_frame(client: Client) -> None:
    socket = await client.socket()
    await socket.raw.send_str("not json")
    await socket.raw.send_json({"type": "feature_flags", "data": FLAGS})
    await socket.until("feature_flags")


# ------------------------------------------------------------ the sampler


async def test_the_sampler_counts_its_steps(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(await client.sampling(steps=3), client_id=socket.sid)
    frames = await socket.until_over(prompt_id)
    progress = of(frames, "progress")
    assert [(data["value"], data["max"], data["node"]) for data in progress] == [(1, 3, "5"), (2, 3, "5"), (3, 3, "5")]


async def test_a_weaker_denoise_still_counts_the_steps_asked(client: Client) -> None:
    socket = await client.socket()
    prompt_id = await client.queue(await client.sampling(steps=4, denoise=0.5), client_id=socket.sid)
    progress = of(await socket.until_over(prompt_id), "progress")
    assert [(data["value"], data["max"]) for data in progress] == [(1, 4), (2, 4), (3, 4), (4, 4)]


async def test_flagged_sockets_get_previews_that_name_their_prompt(client: Client) -> None:
    socket = await client.socket(flags=FLAGS)
    graph = await client.sampling(steps=2)
    prompt_id = await client.queue(graph, client_id=socket.sid, extra_data={"preview_method": "latent2rgb"})
    frames = await socket.until_over(prompt_id)
    pictures = of(frames, "binary 4")
    assert of(frames, "binary 1") == []
    assert len(pictures) == 2
    length = int.from_bytes(pictures[0][:4])
    metadata = json.loads(pictures[0][4 : 4 + length])
    assert (metadata["prompt_id"], metadata["node_id"], metadata["image_type"]) == (prompt_id, "5", "image/jpeg")
    assert pictures[0][4 + length :].startswith(b"\xff\xd8")
    at = kinds(frames).index("binary 4")
    assert kinds(frames)[at - 1 : at + 2] == ["progress_state", "binary 4", "progress"]


async def test_other_sockets_get_bare_previews(client: Client) -> None:
    socket = await client.socket()
    graph = await client.sampling(steps=2)
    prompt_id = await client.queue(graph, client_id=socket.sid, extra_data={"preview_method": "latent2rgb"})
    frames = await socket.until_over(prompt_id)
    pictures = of(frames, "binary 1")
    assert of(frames, "binary 4") == []
    assert len(pictures) == 2
    assert int.from_bytes(pictures[0][:4]) == 1
    assert pictures[0][4:].startswith(b"\xff\xd8")
    at = kinds(frames).index("binary 1")
    assert kinds(frames)[at - 2 : at + 1] == ["progress_state", "progress", "binary 1"]


# ------------------------------------------------------------ two sockets with one id


async def test_the_newer_socket_takes_over(client: Client) -> None:
    old = await client.socket()
    new = await client.socket(old.sid)
    prompt_id = await client.queue(picture_graph(), client_id=old.sid)
    await new.until_over(prompt_id)
    assert await old.quiet() == []
    await new.raw.close()


async def test_closing_the_replaced_socket_makes_the_new_one_deaf(client: Client) -> None:
    """A fault of all servers released so far; when this fails against a live one, it was repaired there."""
    old = await client.socket()
    new = await client.socket(old.sid)
    await old.raw.close()
    await new.quiet(0.1)
    await client.queue(picture_graph(), client_id=new.sid)
    await client.until_idle()
    assert await new.quiet() == []
    assert not new.raw.closed


async def test_closing_before_opening_again_is_safe(client: Client) -> None:
    old = await client.socket()
    await old.raw.close()
    new = await client.socket(old.sid)
    prompt_id = await client.queue(picture_graph(), client_id=new.sid)
    await new.until_over(prompt_id)
