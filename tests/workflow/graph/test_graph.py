import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.errors import WorkflowError
from bot.workflow.graph import graph as graphs
from bot.workflow.graph.graph import Graph
from tests.workflow.samples import NODES

NODE = {"class_type": "SaveImage", "inputs": {}}


def refusal(data: bytes | str | object) -> str:
    text = data if isinstance(data, bytes | str) else json.dumps(data)
    with pytest.raises(WorkflowError) as caught:
        Graph.parse(text, "cat.json")
    assert caught.value.source == "cat.json"
    return str(caught.value.user_message)


def test_reads_titles_and_falls_back_to_classes() -> None:
    graph = Graph.parse(json.dumps(NODES), "cat.json")
    assert graph.nodes["54:3"].title == "Sampler v1.5"
    assert graph.nodes["6"].title == "CLIPTextEncode"
    assert dict(graph.nodes["8"].links())["samples"].node_id == "54:3"


def test_to_json_shares_nothing() -> None:
    graph = Graph.parse(json.dumps(NODES), "cat.json")
    copy = graph.to_json()
    copy["6"]["inputs"]["text"] = "a dog"
    copy["6"]["inputs"]["clip"].append(3)
    assert graph.to_json() == NODES
    assert graph.nodes["6"].inputs["text"] == "a cat"


def test_reads_a_byte_order_mark() -> None:
    assert Graph.parse(b"\xef\xbb\xbf" + json.dumps(NODES).encode(), "cat.json").nodes


@pytest.mark.parametrize("meta", [None, [], {"title": 5}, {"title": " "}, {}])
def test_odd_titles_fall_back_to_the_class(meta: object) -> None:
    graph = Graph.parse(json.dumps({"1": {**NODE, "_meta": meta}}), "cat.json")
    assert graph.nodes["1"].title == "SaveImage"


UI = {"last_node_id": 3, "nodes": [{"id": 1, "type": "SaveImage"}], "links": [], "version": 0.4}


@pytest.mark.parametrize("data", [UI, {"workflow": UI}, {"output": {}, "workflow": UI}])
def test_the_editors_own_format_is_named_with_the_menus_to_use(data: object) -> None:
    message = refusal(data)
    assert "Workflow → Export (API)" in message
    assert "Save (API Format)" in message


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"\xff\xfe{\x00", "UTF-8"),
        ("{", "line 1"),
        ("", "not valid JSON"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ('"text"', "JSON object"),
        ("{}", "no nodes"),
        ('{"1": NaN}', "NaN"),
        ('{"1": 1e999}', "too large"),
        ('{"1": ' + "9" * 5000 + "}", "number"),
        ('{"1": "\\ud800"}', "Unicode"),
        ("[" * 100_000, "nested"),
        ('{"1": ' + "[" * 200 + "]" * 200 + "}", "nested"),
        ({"1": 5}, "“1” is not an object"),
        ({"1": {"inputs": {}}}, "class_type"),
        ({"1": {"class_type": "", "inputs": {}}}, "class_type"),
        ({"1": {"class_type": 5, "inputs": {}}}, "class_type"),
        ({"1": {"class_type": "A"}}, "inputs"),
        ({"1": {"class_type": "A", "inputs": []}}, "inputs"),
        ({"1": {"class_type": "A", "inputs": {"in": ["2", 0]}}}, "#2"),
        ({"prompt": {"1": NODE}, "client_id": "x"}, "complete API request"),
    ],
)
def test_what_cannot_be_used_is_said(data: bytes | str | object, hint: str) -> None:
    message = refusal(data)
    assert message.startswith("cat.json: ")
    assert hint in message


def test_a_file_without_end_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MAX_BYTES", 100)
    assert "too large" in refusal(b" " * 101)


def test_foreign_text_in_sentences_is_short_and_pings_nobody() -> None:
    message = refusal({"@everyone " + "x" * 500: 5})
    assert "@everyone" not in message
    assert len(message) < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
NODE_LIKE = st.fixed_dictionaries(
    {}, optional={"class_type": st.text(max_size=5) | JSON, "inputs": st.dictionaries(st.text(), JSON), "_meta": JSON}
)


@given(st.dictionaries(st.sampled_from(["1", "2", "54:3", "nodes", "prompt"]), NODE_LIKE | JSON, max_size=4) | JSON)
def test_any_json_is_a_graph_or_a_sentence(data: Any) -> None:
    with contextlib.suppress(WorkflowError):
        graph = Graph.parse(json.dumps(data), "cat.json")
        assert json.loads(json.dumps(graph.to_json())) == json.loads(json.dumps(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_graph_or_a_sentence(data: bytes) -> None:
    with contextlib.suppress(WorkflowError):
        assert Graph.parse(data, "cat.json").nodes
