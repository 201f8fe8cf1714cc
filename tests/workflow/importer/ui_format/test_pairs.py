"""What the editor itself exports, against what we make of the same file."""

import copy
import json
import random
from typing import Any

import pytest

from bot.workflow.graph.graph import Graph
from bot.workflow.importer.ui_format.convert import convert
from tests.workflow.importer.graphs import differences
from tests.workflow.importer.samples import OBJECT_INFO, PAIRS


@pytest.mark.parametrize("name", PAIRS)
def test_a_workflow_becomes_the_graph_that_the_editor_exports(name: str):
    assert differences(convert(PAIRS[name]["ui"], OBJECT_INFO), PAIRS[name]["api"]) == []


@pytest.mark.parametrize("name", PAIRS)
def test_the_document_stays_as_it_was(name: str):
    before = copy.deepcopy(PAIRS[name]["ui"])

    convert(PAIRS[name]["ui"], OBJECT_INFO)

    assert PAIRS[name]["ui"] == before


def test_the_graph_can_be_read_like_any_export():
    graph = convert(PAIRS["own_subgraph_promoted_nested"]["ui"], OBJECT_INFO)

    assert Graph.parse(json.dumps(graph), "it").nodes["8:9:5"].title == "Inner сэмплер"


def _renamed(graph: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    ids = [f"n{number}" for number in range(len(graph))]
    chance.shuffle(ids)
    names = dict(zip(graph, ids, strict=True))
    turned = {
        names[node_id]: {
            **entry,
            "inputs": {
                name: [names[value[0]], value[1]] if isinstance(value, list) and value[0] in names else value
                for name, value in entry["inputs"].items()
            },
        }
        for node_id, entry in graph.items()
    }
    return dict(sorted(turned.items()))


@pytest.mark.parametrize("name", ["own_subgraph_nested_modes", "own_tokens_more", "hand_group_node"])
def test_graphs_are_equal_whatever_their_nodes_are_called(name: str):
    graph = PAIRS[name]["api"]

    assert differences(_renamed(graph, random.Random(1)), graph) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda graph: graph["5"]["inputs"].update(steps=5), "5.steps: 5 instead of 4"),
        (lambda graph: graph["5"]["inputs"].update(positive=["3", 0]), "5.positive: ['3', 0] instead of ['2', 0]"),
        (lambda graph: graph["5"]["inputs"].pop("cfg"), "5: cfg is missing"),
        (lambda graph: graph["7"].update(class_type="PreviewImage"), "7: PreviewImage instead of SaveImage"),
        (lambda graph: graph.pop("7"), "7 is missing"),
    ],
)
def test_differences_are_told(change: Any, told: str):
    graph = copy.deepcopy(PAIRS["own_reroute_to_widget"]["api"])
    graph["5"]["inputs"]["steps"] = 4
    other = copy.deepcopy(graph)

    change(graph)

    assert told in differences(graph, other)
