"""What holds for the draft of every graph, sound or hostile."""

import contextlib
import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Graph, is_link
from bot.workflow.graph.validation import circles
from bot.workflow.importer.any_file import read_any
from bot.workflow.importer.draft import Draft, draft
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.manifest.manifest import Manifest
from tests.workflow.importer.samples import OBJECT_INFO, PAIRS
from tests.workflow.importer.ui_format.test_properties import JSON
from tests.workflow.samples import definitions

few = settings(max_examples=100, deadline=None)

KNOWN = definitions()
CLASSES = {
    **{node.class_type: list(node.inputs) for node in KNOWN.nodes.values()},
    "SamplerCustomAdvanced": ["noise", "guider", "sampler", "sigmas", "latent_image"],
    "RandomNoise": ["noise_seed"],
    "CFGGuider": ["model", "positive", "negative", "cfg"],
    "BasicScheduler": ["model", "scheduler", "steps", "denoise"],
    "CLIPTextEncodeFlux": ["clip", "clip_l", "t5xxl", "guidance"],
    "ConditioningCombine": ["conditioning_1", "conditioning_2"],
    "PrimitiveInt": ["value"],
    "PrimitiveString": ["value"],
    "StringConcatenate": ["string_a", "string_b", "delimiter"],
    "LoraLoader": ["model", "clip", "lora_name", "strength_model", "strength_clip"],
    "ETN_Parameter": ["name", "type", "default", "min", "max"],
    "ComfyUIDeployExternalText": ["input_id", "default_value"],
    "SwarmInputInteger": ["title", "value", "min", "max", "view_type"],
    "Odd": ["image", "path", "text", "seed", "width", "height"],
}
VALUES: list[Any] = [
    0, 1, 512, 2**63, 2**70, -1, 0.5, 7.0, 1e300, True, "", "a cat", "${name:7}", "${a} and ${b:x}", "%seed%", "euler",
    "x.safetensors", "example.png", "../../etc/passwd", "class", "1. Group/2. Größe", "prompt (positive)", "seed", None,
    "a\x7f\x00\n\"b\\", "#1.x", {}, [], [1, 2], "x" * 7000, "\u202e@everyone",
]  # fmt: skip
TITLES = ["", "Prompt", "Prompt", "a.b", "#3", "提示词", '"]\n[x', "x" * 200]


def random_graph(seed: int) -> dict[str, Any]:
    """Return nodes of known and unknown classes, whose inputs hold values and links that may or may not make sense."""
    chance = random.Random(seed)
    ids = [f"{each}:{each}" if chance.random() < 0.2 else str(each) for each in range(chance.randint(1, 14))]

    def value(at: int) -> Any:
        earlier = ids if chance.random() < 0.05 else ids[:at]
        if earlier and chance.random() < 0.5:
            return [chance.choice(earlier), chance.randint(0, 2)]
        return chance.choice(VALUES)

    graph: dict[str, Any] = {}
    for at, node_id in enumerate(ids):
        class_type = chance.choice(list(CLASSES))
        names = [name for name in CLASSES[class_type] if chance.random() < 0.9]
        graph[node_id] = {
            "class_type": class_type,
            "inputs": {name: value(at) for name in names},
            "_meta": {"title": chance.choice(TITLES)},
        }
    return graph


GRAPHS = st.integers(0, 2**32).map(random_graph)


def lands(made: Draft, graph: dict[str, Any]) -> bool:
    """Whether every binding is an input of the graph that holds a value, and none is there twice."""
    targets = [target for each in made.workflow.bindings.values() for target in each]
    inputs = [graph[target.node_id]["inputs"] for target in targets]
    return len(set(targets)) == len(targets) and all(
        target.input_name in held and not is_link(held[target.input_name])
        for target, held in zip(targets, inputs, strict=True)
    )


@few
@given(GRAPHS, st.sampled_from([KNOWN, Definitions()]), st.text(max_size=40))
def test_every_draft_loads_and_every_binding_lands_on_a_value(graph: dict[str, Any], known: Definitions, name: str):
    before = json.dumps(graph)
    try:
        made = draft(graph, known, name=name)
    except WorkflowImportError as error:
        # nodes that a server calls outputs need no reader to be run
        assert "form a cycle" in str(error) or next(circles(Graph.parse(before, "graph")), None)  # noqa: PT017
        return

    assert lands(made, graph)
    assert Manifest.parse(made.manifest.encode(), "x.toml") == made.workflow.manifest
    assert all(str(each) for each in (*made.notes, *made.warnings))
    assert json.dumps(graph) == before


def test_random_graphs_are_worth_looking_at():
    drafts: list[Draft] = []
    for seed in range(170):
        with contextlib.suppress(WorkflowImportError):  # some go in circles
            drafts.append(draft(random_graph(seed), KNOWN))
    assert len(drafts) > 130
    kinds = {option.kind for made in drafts for option in made.workflow.manifest.options.values()}

    assert kinds >= {"text", "integer", "number", "seed", "model", "image"}


@few
@given(st.data(), st.sampled_from(sorted(PAIRS)))
def test_a_real_graph_with_one_input_exchanged_is_drafted_or_refused(data: st.DataObject, name: str):
    graph = json.loads(json.dumps(PAIRS[name]["api"]))
    node = graph[data.draw(st.sampled_from(sorted(graph)))]
    node["inputs"][data.draw(st.sampled_from([*sorted(node["inputs"]), "text"]))] = data.draw(JSON)

    with contextlib.suppress(WorkflowImportError):
        assert lands(draft(graph, KNOWN, document=PAIRS[name]["ui"]), graph)


@few
@given(st.fixed_dictionaries({"nodes": JSON, "extra": st.fixed_dictionaries({"linearData": JSON}) | JSON}) | JSON)
def test_nothing_escapes_from_a_hostile_document_beside_a_graph(document: object):
    draft(random_graph(1), KNOWN, document=document)


@few
@given(JSON | st.dictionaries(st.text(max_size=3), st.fixed_dictionaries({"class_type": JSON, "inputs": JSON})))
def test_nothing_but_a_sentence_escapes_from_any_file(value: object):
    with contextlib.suppress(WorkflowImportError):
        brought = read_any(json.dumps(value).encode(), OBJECT_INFO)
        draft(brought.graph, KNOWN, document=brought.document)
