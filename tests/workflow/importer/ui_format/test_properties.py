"""What holds for every workflow, sound or hostile."""

import contextlib
import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.files.document import DocumentKind, kind_of
from bot.workflow.importer.files.image_metadata import read_image_workflow
from bot.workflow.importer.ui_format.convert import convert
from bot.workflow.importer.ui_format.texts import dynamic_prompt
from tests.workflow.importer.samples import OBJECT_INFO, PAIRS, SUBGRAPH

few = settings(max_examples=40, deadline=None)

IDS = st.integers(1, 6)
LINKS = st.none() | st.integers(1, 12)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)

CLASSES = ["CLIPTextEncode", "EmptyImage", "KSampler", "OracleNew", "PreviewImage", "SaveImage", "VAEDecode"]
EDITOR_ONLY = ["Reroute", "PrimitiveNode", "Note", "SetNode", "GetNode"]
TYPES = ["IMAGE", "LATENT", "STRING", "INT", "*", "IMAGE,MASK"]


def random_node(chance: random.Random, node_id: int, kinds: list[str]) -> dict[str, Any]:
    kind = chance.choice(kinds)
    names = ["image", "text", *OBJECT_INFO.get(kind, {"input": {}})["input"].get("required", {})]
    chance.shuffle(names)
    slots = [{"name": name, "type": chance.choice(TYPES), "link": chance.randint(1, 14)} for name in names[:4]]
    node: dict[str, Any] = {"id": node_id, "type": kind, "mode": chance.choice([0, 0, 0, 2, 4]), "inputs": slots}
    if kind in ("SetNode", "GetNode"):
        node["widgets_values"] = [str(node_id if kind == "SetNode" else chance.randint(1, 7))]
    return node


def random_graph(chance: random.Random, kinds: list[str]) -> dict[str, Any]:
    def link(link_id: int) -> list[Any]:
        return [link_id, chance.choice([-10, *range(1, 8)]), chance.randint(0, 1), chance.randint(1, 7), 0, "*"]

    return {
        "nodes": [random_node(chance, node_id, kinds) for node_id in range(1, 8)],
        "links": [link(link_id) for link_id in range(1, 13)],
    }


def random_workflow(seed: int) -> dict[str, Any]:
    """Return known classes linked at random, some in a subgraph that is used several times."""
    chance = random.Random(seed)
    ports = [{"name": name, "linkIds": [chance.randint(1, 12)]} for name in ("image", "text")]
    inner = random_graph(chance, CLASSES + EDITOR_ONLY) | {"id": SUBGRAPH, "inputs": ports, "outputs": ports}
    outer = random_graph(chance, [*CLASSES, *EDITOR_ONLY, SUBGRAPH, SUBGRAPH])
    return outer | {"version": 0.4, "definitions": {"subgraphs": [inner]}}


WORKFLOWS = st.integers(0, 2**32).map(random_workflow)


def converted(document: object) -> dict[str, Any]:
    with contextlib.suppress(WorkflowImportError):  # circles are refused
        return convert(document, OBJECT_INFO)
    return {}


@few
@given(WORKFLOWS)
def test_every_node_is_of_a_class_of_the_server(document: dict[str, Any]):
    assert {entry["class_type"] for entry in converted(document).values()} <= OBJECT_INFO.keys()


@few
@given(WORKFLOWS)
def test_every_link_leads_to_a_node_of_the_graph(document: dict[str, Any]):
    graph = converted(document)

    values = [value for entry in graph.values() for value in entry["inputs"].values()]
    assert all(value[0] in graph for value in values if isinstance(value, list))


def test_random_workflows_are_worth_looking_at():
    graphs = [converted(random_workflow(seed)) for seed in range(200)]

    assert sum(1 for graph in graphs if graph) > 50
    assert any(":" in node_id for graph in graphs for node_id in graph)
    assert any(
        isinstance(value, list) for graph in graphs for entry in graph.values() for value in entry["inputs"].values()
    )


@few
@given(WORKFLOWS)
def test_muted_and_bypassed_nodes_never_come_out(document: dict[str, Any]):
    silent = {str(node["id"]) for node in document["nodes"] if node["mode"]}

    assert silent.isdisjoint(node_id.split(":")[0] for node_id in converted(document))


@few
@given(WORKFLOWS)
def test_the_order_of_nodes_and_links_does_not_matter(document: dict[str, Any]):
    turned = {**document, "nodes": document["nodes"][::-1], "links": document["links"][::-1]}

    assert converted(turned) == converted(document) == converted(json.loads(json.dumps(document)))


WILD_NODE = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS | JSON,
        "type": st.sampled_from([*CLASSES, *EDITOR_ONLY, SUBGRAPH, "workflow>G", "Gone"]) | JSON,
        "mode": st.sampled_from([0, 2, 4]) | JSON,
        "title": JSON,
        "inputs": st.lists(
            st.fixed_dictionaries({"name": st.just("text") | JSON, "link": LINKS | JSON}) | JSON, max_size=3
        )
        | JSON,
        "outputs": JSON,
        "widgets_values": st.lists(JSON, max_size=8) | JSON,
        "properties": st.fixed_dictionaries({"proxyWidgets": st.lists(JSON, max_size=3) | JSON}) | JSON,
    },
)
WILD_LINK = st.tuples(LINKS, IDS | st.just(-10), st.integers(0, 2), IDS).map(list)
WILD_GRAPH = {"nodes": st.lists(WILD_NODE | JSON, max_size=5), "links": st.lists(WILD_LINK | JSON, max_size=6) | JSON}
WILD_SUBGRAPH = st.fixed_dictionaries(
    {"id": st.just(SUBGRAPH) | JSON, "inputs": st.lists(JSON, max_size=3) | JSON, "outputs": JSON, **WILD_GRAPH}
)
WILD = st.fixed_dictionaries(
    {
        **WILD_GRAPH,
        "version": st.just(1),
        "definitions": st.fixed_dictionaries({"subgraphs": st.lists(WILD_SUBGRAPH | JSON, max_size=2)}) | JSON,
        "extra": st.fixed_dictionaries(
            {
                "groupNodes": st.dictionaries(
                    st.just("G"), st.fixed_dictionaries({**WILD_GRAPH, "external": JSON}) | JSON
                )
            }
        )
        | JSON,
    }
)


@few
@given(WILD | JSON)
def test_nothing_but_a_sentence_escapes_from_a_hostile_document(document: object):
    kind_of(document)
    with contextlib.suppress(WorkflowImportError):
        json.dumps(convert(document, OBJECT_INFO))


SPECS = st.dictionaries(
    st.sampled_from(["seed", "text", "a"]),
    st.tuples(
        st.sampled_from(["INT", "FLOAT", "STRING", "COMBO", "COMFY_DYNAMICCOMBO_V3", "IMAGE"]) | JSON,
        st.dictionaries(
            st.sampled_from(["default", "min", "max", "step", "round", "options", "control_after_generate", "remote"]),
            JSON,
        )
        | JSON,
    ).map(list)
    | JSON,
)


@few
@given(
    st.fixed_dictionaries({"input": st.fixed_dictionaries({"required": SPECS | JSON, "optional": SPECS}) | JSON})
    | JSON,
    st.lists(JSON, max_size=6),
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
)
def test_nothing_but_a_sentence_escapes_from_a_hostile_server(info: object, values: list[Any], primitive: object):
    slots = [{"name": name, "link": 1} for name in ("seed", "text", "a")]
    document = {
        "nodes": [
            {"id": 1, "type": "Wild", "widgets_values": values},
            {"id": 2, "type": "Wild", "inputs": slots, "mode": 4},
            {"id": 3, "type": "Wild", "inputs": slots, "widgets_values": values},
            {"id": 4, "type": "PrimitiveNode", "widgets_values": [primitive]},
        ],
        "links": [[1, 4, 0, 3, 0, "*"]],
    }
    with contextlib.suppress(WorkflowImportError):
        convert(document, {"Wild": info})


@few
@given(st.data(), st.sampled_from(sorted(PAIRS)))
def test_a_real_file_with_one_part_exchanged_gives_a_graph_or_a_sentence(data: st.DataObject, name: str):
    document = json.loads(json.dumps(PAIRS[name]["ui"]))
    node = data.draw(st.sampled_from(document["nodes"]))
    node[data.draw(st.sampled_from(sorted(node)))] = data.draw(JSON)

    with contextlib.suppress(WorkflowImportError):
        convert(document, OBJECT_INFO)


@few
@given(st.text(st.sampled_from("ab{}|\\/*\n "), max_size=30))
def test_a_prompt_with_braces_always_has_a_result(text: str):
    assert dynamic_prompt(text) == dynamic_prompt(text, lambda count: count - count)
    dynamic_prompt(text, lambda count: count - 1)


@few
@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPEXIF", b"\xff\xd8\xff\xe1"]), st.binary(max_size=60))
def test_nothing_but_a_sentence_escapes_from_a_broken_picture(head: bytes, rest: bytes):
    with contextlib.suppress(WorkflowImportError):
        read_image_workflow(head + rest)


@few
@given(JSON)
def test_what_has_a_format_is_converted_or_left_alone(document: object):
    if kind_of(document) is not DocumentKind.UI:
        assert converted(document) == {}
