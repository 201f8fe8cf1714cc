"""Subgraphs, and the group nodes of before: what goes in and out of them, and which are refused."""

from typing import Any

import pytest

from bot.workflow.importer.ui_format.convert import convert
from tests.workflow.importer.samples import (
    OBJECT_INFO,
    SUBGRAPH,
    inputs_of,
    node,
    refusal,
    slot,
    text_subgraph,
    ui,
    with_subgraph,
)


def host(*values: Any, **more: Any) -> dict[str, Any]:
    return node(2, SUBGRAPH, *values, **more)


def test_a_host_without_a_value_leaves_the_inner_one():
    assert inputs_of(with_subgraph(text_subgraph(), host()), "2:7") == {"text": "inner"}


def test_a_host_may_hold_a_value_without_a_slot_for_it():
    assert inputs_of(with_subgraph(text_subgraph(), host("outer", inputs=[])), "2:7") == {"text": "outer"}


def test_a_host_that_is_linked_to_a_muted_node_leaves_the_inner_value():
    document = with_subgraph(
        text_subgraph(),
        host("outer", inputs=[slot("text", "STRING", 5, widget=True)]),
        node(1, "PrimitiveString", "muted", mode=2),
        links=([5, 1, 0, 2, 0, "STRING"],),
    )

    assert inputs_of(document, "2:7") == {"text": "inner"}


@pytest.mark.parametrize("mode", [2, 4])
def test_nothing_comes_out_of_a_host_that_is_muted_or_bypassed(mode: int):
    assert convert(with_subgraph(text_subgraph(), host(mode=mode)), OBJECT_INFO) == {}


def test_a_subgraph_that_is_missing_is_named():
    assert "“Painter” (#2, aaaaaaaa-" in refusal(ui(host(title="Painter")))


def test_a_subgraph_within_itself_is_refused():
    inner = {"nodes": [node(1, SUBGRAPH)], "links": [], "inputs": [], "outputs": []}

    assert "contains itself" in refusal(with_subgraph(inner, host()))


def test_subgraphs_that_multiply_are_refused():
    def level(number: int) -> dict[str, Any]:
        return {"id": f"s{number}", "nodes": [node(each, f"s{number + 1}") for each in range(10)], "links": []}

    document = ui(node(1, "s0"), definitions={"subgraphs": [level(number) for number in range(10)]})

    assert "more than 5000 nodes" in refusal(document)


def test_texts_that_multiply_are_refused():
    inner = text_subgraph("x" * 100_000)

    assert "too large" in refusal(with_subgraph(inner, *(host() | {"id": number} for number in range(200))))


def test_inputs_of_a_group_are_found_by_name_where_some_are_left_out():
    blend = node(0, "ImageBlend", 0.5, "normal", inputs=[slot("image1", "IMAGE"), slot("image2", "IMAGE")])
    save = node(0, "PreviewImage", inputs=[slot("image1", "IMAGE")])
    blend["outputs"] = [{"name": "IMAGE", "type": "IMAGE"}]
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "workflow/Pair", 0.25, "screen", inputs=[slot("PreviewImage image1", "IMAGE", 1)]),
        node(3, "PreviewImage", inputs=[slot("images", "IMAGE", 2)]),
        links=([1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]),
        extra={
            "groupNodes": {"Pair": {"nodes": [blend, save], "links": [[0, 0, 1, 5, 0]], "external": [[0, 0, "IMAGE"]]}}
        },
    )
    info = {
        "ImageBlend": {"input": {"required": {"blend_factor": ["FLOAT", {}], "blend_mode": [["normal", "screen"]]}}}
    }
    graph = convert(document, OBJECT_INFO | info)

    assert graph["2:0"]["inputs"] == {"blend_factor": 0.25, "blend_mode": "screen"}
    assert graph["2:1"]["inputs"] == {"image1": ["1", 0]}
    assert graph["3"]["inputs"] == {"images": ["2:0", 0]}


@pytest.mark.parametrize("lists_widgets", [False, True])
def test_what_feeds_a_group_from_outside_arrives_inside(lists_widgets: bool):
    widgets = [slot("blend_factor", "FLOAT", widget=True)] if lists_widgets else []
    blend = node(0, "ImageBlend", 0.5, inputs=[slot("image1", "IMAGE"), slot("image2", "IMAGE"), *widgets])
    blend["outputs"] = [{"name": "IMAGE", "type": "IMAGE"}]
    host = [slot("image1", "IMAGE", 1), slot("image2", "IMAGE", 2), *widgets]
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "workflow>Mix", 0.25, 0.75, inputs=host),
        node(3, "PreviewImage", inputs=[slot("images", "IMAGE", 3)]),
        links=([1, 1, 0, 2, 0, "IMAGE"], [2, 1, 0, 2, 1, "IMAGE"], [3, 2, 0, 3, 0, "IMAGE"]),
        extra={
            "groupNodes": {
                "Mix": {
                    "nodes": [blend, {**blend, "widgets_values": [0.5]}],
                    "links": [[None, 0, 0, 0, 1, "IMAGE"], [0, 0, 1, 0, 7, "IMAGE"], [None, 0, 0, 1, 1, "IMAGE"]],
                }
            }
        },
    )
    grown = {"ImageBlend": {"input": {"required": {"blend_factor": ["FLOAT", {}], "mode": [["normal", "screen"], {}]}}}}
    graph = convert(document, OBJECT_INFO | grown)

    assert graph["2:0"]["inputs"] == {
        "image1": ["1", 0],
        "image2": ["1", 0],
        "blend_factor": 0.25,
        "mode": "normal",
    }
    assert graph["2:1"]["inputs"]["blend_factor"] == 0.75, "the class has more widgets than when the group was made"


def test_tokens_find_nodes_in_subgraphs_but_are_left_there():
    inner = text_subgraph("a/b")
    inner["nodes"].append(node(8, "SaveImage", "%CLIPTextEncode.text%"))
    document = with_subgraph(inner, host(), node(1, "SaveImage", "x_%CLIPTextEncode.text%_%no.thing%_%width%_100%"))
    graph = convert(document, OBJECT_INFO)

    assert graph["1"]["inputs"]["filename_prefix"] == "x_a_b_%no.thing%_%width%_100%"
    assert graph["2:8"]["inputs"]["filename_prefix"] == "%CLIPTextEncode.text%"
