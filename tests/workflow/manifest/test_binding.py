import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.graph import Graph, Target
from bot.workflow.manifest.binding import resolve, resolve_node
from tests.workflow.samples import graph


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("Canvas.width", Target("5", "width")),
        ("#6.text", Target("6", "text")),
        ("#54:3.seed", Target("54:3", "seed")),
        ("Sampler v1.5.steps", Target("54:3", "steps")),
        ("SaveImage.filename_prefix", Target("9", "filename_prefix")),
    ],
)
def test_an_address_names_one_input(address: str, target: Target) -> None:
    assert resolve(graph(), address) == target


def test_inputs_of_dynamic_nodes_may_hold_dots() -> None:
    extra = {"class_type": "Resize", "inputs": {"mode": "by", "mode.factor": 2.0}}
    assert resolve(graph(n=extra), "Resize.mode.factor") == Target("n", "mode.factor")
    assert resolve(graph(n=extra), "#n.mode.factor") == Target("n", "mode.factor")


@pytest.mark.parametrize(
    ("address", "hints"),
    [
        ("CLIPTextEncode.text", ["several", "#6.text", "#7.text"]),
        ("Canvas.widht", ["no input “widht”", "Did you mean “width”"]),
        ("Canvas.zzz", ["width, height, batch_size"]),
        ("Canvvas.width", ["Did you mean “Canvas”"]),
        ("Nothing here.width", ["Canvas (#5)", "SaveImage (#9)"]),
        ("#99.text", ["#99", "Canvas (#5)"]),
        ("54:3.seed", ["54:3"]),
        ("#6.clip", ["is fed by the node", "#4"]),
        ("width", ["must look like"]),
        ("", ["must look like"]),
        (".", ["The graph has"]),
    ],
)
def test_everything_else_is_refused_with_the_candidates(address: str, hints: list[str]) -> None:
    with pytest.raises(RefusedValueError) as caught:
        resolve(graph(), address)
    for hint in hints:
        assert hint in str(caught.value)


def test_a_title_and_an_input_that_can_be_read_in_two_ways_are_refused() -> None:
    twins = {
        "1": {"class_type": "A", "inputs": {"b.c": 1}},
        "2": {"class_type": "X", "inputs": {"c": 1}, "_meta": {"title": "A.b"}},
    }
    with pytest.raises(RefusedValueError, match=r"#2\.c, #1\.b\.c"):
        resolve(Graph.parse(json.dumps(twins), "t.json"), "A.b.c")


def test_outputs_are_nodes() -> None:
    assert resolve_node(graph(), "SaveImage") == "9"
    assert resolve_node(graph(), "#8") == "8"
    with pytest.raises(RefusedValueError, match="#6, #7"):
        resolve_node(graph(), "CLIPTextEncode")
    with pytest.raises(RefusedValueError, match="no node"):
        resolve_node(graph(), "SavImageXX#")


TITLE = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).map(str.strip).filter(bool)


@given(
    st.dictionaries(TITLE, st.tuples(TITLE, st.dictionaries(TITLE, st.integers(), min_size=1, max_size=3)), min_size=1)
)
def test_every_input_can_be_addressed_by_id_or_is_ambiguous(nodes: dict[str, tuple[str, dict[str, int]]]) -> None:
    raw = {
        node_id: {"class_type": "X", "inputs": inputs, "_meta": {"title": title}}
        for node_id, (title, inputs) in nodes.items()
    }
    parsed = Graph.parse(json.dumps(raw), "t.json")
    for node_id, (_title, inputs) in nodes.items():
        for name in inputs:
            with contextlib.suppress(RefusedValueError):
                assert resolve(parsed, f"#{node_id}.{name}") == Target(node_id, name)


@given(st.text(max_size=40))
def test_any_address_is_resolved_or_refused(address: str) -> None:
    with contextlib.suppress(RefusedValueError):
        target = resolve(graph(), address)
        assert target.input_name in graph().nodes[target.node_id].inputs
