"""What `POST /prompt` accepts, and in which words it refuses."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.client import Client, Graph, picture_graph

FAILED = "prompt_outputs_failed_validation"
TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"


def changed(node_id: str, **inputs: Any) -> Callable[[Graph], Graph]:
    """A change of a sampling graph: other values; None takes an input out."""

    def change(graph: Graph) -> Graph:
        for name, value in inputs.items():
            graph[node_id]["inputs"][name] = value
            if value is None:
                del graph[node_id]["inputs"][name]
        return graph

    return change


FAULTS = [
    pytest.param(changed("5", steps=0), "5", "value_smaller_than_min", "steps", id="too small"),
    pytest.param(changed("5", steps=10001), "5", "value_bigger_than_max", "steps", id="too big"),
    pytest.param(changed("5", seed=-1), "5", "value_smaller_than_min", "seed", id="seed -1"),
    pytest.param(changed("5", seed=2**64), "5", "value_bigger_than_max", "seed", id="seed 2**64"),
    pytest.param(changed("5", steps="abc"), "5", "invalid_input_type", "steps", id="no number"),
    pytest.param(changed("5", cfg=float("inf")), "5", "value_bigger_than_max", "cfg", id="infinity"),
    pytest.param(changed("5", seed=None), "5", "required_input_missing", "seed", id="missing"),
    pytest.param(changed("1", ckpt_name="nope.safetensors"), "1", "value_not_in_list", "ckpt_name", id="not in list"),
    pytest.param(changed("5", sampler_name="nope"), "5", "value_not_in_list", "sampler_name", id="not in long list"),
    pytest.param(changed("5", model=["1", 1]), "5", "return_type_mismatch", "model", id="wrong type of link"),
    pytest.param(changed("5", model=["1"]), "5", "bad_linked_input", "model", id="half a link"),
]


@pytest.mark.parametrize(("change", "node_id", "kind", "name"), FAULTS)
async def test_a_bad_value_is_named(
    client: Client, change: Callable[[Graph], Graph], node_id: str, kind: str, name: str
) -> None:
    answer = await client.post(change(await client.sampling()))
    assert answer.status == 400
    assert answer.json["error"]["type"] == FAILED
    (fault,) = answer.json["node_errors"].values()
    assert list(answer.json["node_errors"]) == [node_id]
    assert [error["type"] for error in fault["errors"]] == [kind]
    assert fault["errors"][0]["extra_info"]["input_name"] == name
    assert fault["dependent_outputs"] == ["7"]


async def test_limits_and_choices_come_along(client: Client) -> None:
    graph = changed("5", steps=0, scheduler="nope", sampler_name="nope")(await client.sampling())
    errors = (await client.post(graph)).json["node_errors"]["5"]["errors"]
    by_name = {error["extra_info"]["input_name"]: error for error in errors}
    assert by_name["steps"]["message"] == "Value 0 smaller than min of 1"
    assert by_name["steps"]["extra_info"]["input_config"][1]["min"] == 1
    assert by_name["steps"]["extra_info"]["received_value"] == 0
    assert by_name["scheduler"]["details"].startswith("scheduler: 'nope' not in ['")
    assert by_name["sampler_name"]["details"].startswith("sampler_name: 'nope' not in (list of length ")
    assert by_name["sampler_name"]["extra_info"]["input_config"] is None


async def test_faults_of_several_nodes_come_together(client: Client) -> None:
    graph = changed("2", width=7)(changed("5", seed=None)(await client.sampling()))
    assert set((await client.post(graph)).json["node_errors"]) == {"2", "5"}


async def test_a_fault_of_the_output_itself_is_also_in_the_details(client: Client) -> None:
    graph = picture_graph()
    del graph["3"]["inputs"]["images"]
    answer = await client.post(graph)
    assert answer.json["error"]["details"].strip() == "Required input is missing: images"


async def test_a_link_to_nowhere(client: Client) -> None:
    answer = await client.post(changed("5", model=["99", 0])(await client.sampling()))
    (error,) = answer.json["node_errors"]["5"]["errors"]
    assert error["type"] == "exception_during_inner_validation"
    assert error["extra_info"]["linked_node"] == ["5", 0]
    assert error["extra_info"]["exception_type"] == "KeyError"


async def test_a_slot_that_does_not_exist(client: Client) -> None:
    graph = picture_graph()
    graph["3"]["inputs"]["images"] = ["2", 5]
    (error,) = (await client.post(graph)).json["node_errors"]["3"]["errors"]
    assert error["type"] == "exception_during_validation"
    assert error["extra_info"]["exception_type"] == "IndexError"


async def test_a_node_that_leads_to_itself(client: Client) -> None:
    graph = picture_graph()
    graph["2"]["inputs"]["image"] = ["2", 0]
    answer = await client.post(graph)
    assert (answer.status, answer.json["error"]["type"]) == (400, FAILED)
    if await client.is_new():
        assert answer.json["node_errors"]["2"]["errors"][0]["type"] == "dependency_cycle"
    else:
        assert answer.json["node_errors"] == {}


async def test_a_file_that_was_never_uploaded(client: Client) -> None:
    graph = picture_graph()
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "never-uploaded.png"}}
    (error,) = (await client.post(graph)).json["node_errors"]["1"]["errors"]
    assert error["type"] == "custom_validation_failed"
    assert error["details"] == "image - Invalid image file: never-uploaded.png"


@pytest.mark.parametrize("missing", [True, False])
async def test_a_class_that_the_server_does_not_have(client: Client, missing: bool) -> None:
    graph = picture_graph()
    graph["2"] = {"inputs": {}, "_meta": {"title": "Sparkle"}} if missing else {"class_type": "Sparkle", "inputs": {}}
    answer = await client.post(graph)
    assert answer.status == 400
    assert answer.json["error"]["details"] == "Node ID '#2'"
    assert answer.json["node_errors"] == {}
    if await client.is_new():
        assert answer.json["error"]["type"] == "missing_node_type"
        extra = answer.json["error"]["extra_info"]
        assert extra == {"node_id": "2", "class_type": None if missing else "Sparkle", "node_title": "Sparkle"}
    else:
        assert answer.json["error"]["type"] == "invalid_prompt"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "no_prompt"),
        ([], "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {"1": picture_graph(1)["1"]}}, "prompt_no_outputs"),
        ({"prompt": picture_graph(1), "partial_execution_targets": []}, "prompt_no_outputs"),
    ],
)
async def test_nothing_to_run(client: Client, body: Any, kind: str) -> None:
    answer = await client.call("POST", "/prompt", json=body)
    assert (answer.status, answer.json["error"]["type"], answer.json["node_errors"]) == (400, kind, {})


async def test_an_empty_list_is_no_graph(client: Client) -> None:
    assert (await client.post([])).status == (500 if await client.is_new() else 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"null",
        b'{"prompt": null}',
        b'{"prompt": "x"}',
        json.dumps({"prompt": picture_graph(1), "number": "abc"}).encode(),
        json.dumps({"prompt": picture_graph(1), "number": None}).encode(),
        json.dumps({"prompt": picture_graph(1), "client_id": "a", "extra_data": None}).encode(),
    ],
)
async def test_what_makes_the_server_stumble_is_a_text(client: Client, body: bytes) -> None:
    answer = await client.call("POST", "/prompt", data=body)
    assert (answer.status, answer.content_type, answer.text) == (500, "text/plain", TROUBLE)


async def test_a_faulty_node_names_the_outputs_that_fell_with_it(client: Client) -> None:
    graph = picture_graph()
    graph["1"]["inputs"]["width"] = 0
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    answer = await client.post(graph)
    assert sorted(answer.json["node_errors"]["1"]["dependent_outputs"]) == ["3", "4"]


async def test_one_good_output_is_enough(client: Client) -> None:
    graph = picture_graph()
    graph["4"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "contract/bad"}}
    answer = await client.post(graph)
    assert answer.status == 200
    assert list(answer.json["node_errors"]) == ["4"]
    assert answer.json["node_errors"]["4"]["dependent_outputs"] == ["4"]
    await client.until_idle()
    entry = await client.history(answer.json["prompt_id"])
    assert list(entry["outputs"]) == ["3"]
    assert entry["prompt"][4] == ["3"]


async def test_only_the_outputs_asked_for_run(client: Client) -> None:
    graph = picture_graph()
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    prompt_id = await client.queue(graph, partial_execution_targets=["4"])
    await client.until_idle()
    assert list((await client.history(prompt_id))["outputs"]) == ["4"]


async def test_values_are_converted_in_place(client: Client) -> None:
    graph = picture_graph()
    graph["1"]["inputs"] |= {"width": "64", "height": 64.0}
    graph["3"]["inputs"]["filename_prefix"] = 12345
    entry = await client.run(graph)
    assert entry["prompt"][2]["1"]["inputs"]["width"] == 64
    assert entry["prompt"][2]["3"]["inputs"]["filename_prefix"] == "12345"


async def test_inputs_that_a_class_does_not_know_are_ignored(client: Client) -> None:
    graph = picture_graph()
    graph["2"]["inputs"]["sparkle"] = 5
    assert (await client.run(graph))["status"]["completed"] is True


# ------------------------------------------------------------ number and id


async def test_the_number_comes_back_as_it_is_used(client: Client) -> None:
    first = (await client.post(picture_graph())).json["number"]
    second = (await client.post(picture_graph())).json["number"]
    assert isinstance(first, int)
    assert second == first + 1
    assert (await client.post(picture_graph(), front=True)).json["number"] == -(second + 1)
    given = await client.post(picture_graph(), number=-5)
    assert given.text.count('"number": -5.0') == 1


async def test_a_refused_prompt_uses_up_a_number(client: Client) -> None:
    before = (await client.post(picture_graph())).json["number"]
    await client.post({})
    assert (await client.post(picture_graph())).json["number"] == before + 2


async def test_our_own_id_is_kept(client: Client) -> None:
    prompt_id = str(uuid.uuid4())
    assert (await client.post(picture_graph(), prompt_id=prompt_id)).json["prompt_id"] == prompt_id


async def test_without_an_id_the_server_makes_a_uuid(client: Client) -> None:
    prompt_id = (await client.post(picture_graph())).json["prompt_id"]
    assert str(uuid.UUID(prompt_id)) == prompt_id


@pytest.mark.parametrize(
    "given", ["ABC", 42, "", "E60E4BA7-F232-4EE1-A3E3-A494BC061EB1", "8754de2be6174e3fbd8b176ff8ede112"]
)
async def test_an_id_that_is_no_uuid(client: Client, given: Any) -> None:
    answer = await client.post(picture_graph(), prompt_id=given)
    if await client.is_new():
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_prompt_id")
    else:
        assert (answer.status, answer.json["prompt_id"]) == (200, str(given))
