"""Whatever is thrown at it: graphs, manifests and pictures of any shape get the project's own sentences, or work.

With `--soak` ten thousand of them in all.
"""

import contextlib
import io
import json
import random
import struct
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bot.errors import BotError
from bot.workflow.errors import WorkflowError
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Graph, is_link
from bot.workflow.importer.add import KnownNodes, described, draft_file
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.manifest.manifest import Manifest
from bot.workflow.manifest.options import KINDS
from bot.workflow.run.check import check
from bot.workflow.run.events import InputFile
from bot.workflow.run.prepare import prepare
from bot.workflow.workflow import Workflow
from tests.workflow.importer.test_draft_properties import random_graph
from tests.workflow.samples import definitions

pytestmark = pytest.mark.timeout(300)  # ten thousand take longer than other tests may

KNOWN = definitions()
FILE = InputFile("cc_x.png", b"x", 64, 64)
IS_SHORT = settings.get_current_profile_name() == "short"


def fuzz(soak: int) -> settings:
    """Return how often something is tried: as usual, or so often in a long run."""
    ignored = [HealthCheck.too_slow, HealthCheck.data_too_large]
    examples = settings().max_examples if IS_SHORT else soak
    return settings(suppress_health_check=ignored, deadline=None, max_examples=examples)


ODD = [
    "",
    " ",
    "a",
    "seed",
    "Sampler.steps",
    "#1.text",
    "#0.text",
    "KSampler.seed",
    "Odd.path",
    "*",
    "@everyone",
    "x" * 40,
    "1024x768",
    "3:2",
    "none",
    "detail:0.8",
    "Prompt",
    "a.b",
    "CheckpointLoaderSimple.ckpt_name",
]
WORDS = st.sampled_from([*ODD, "\u202e", "提示词"])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [*sorted({field.alias or name for kind in KINDS.values() for name, field in kind.model_fields.items()}), "odd"]
)
GOOD: dict[str, dict[str, Any]] = {
    "choice": {"choices": ["a", "b"]},
    "model": {"from": "CheckpointLoaderSimple.ckpt_name"},
    "constant": {"value": 1},
    "text": {"default": ""},
    "integer": {"default": 1},
    "number": {"default": 1.5},
    "boolean": {"default": True},
}
"""What a table of this kind needs, so that it may be right."""


@st.composite
def options(draw: st.DrawFn, places: st.SearchStrategy[str], nodes: st.SearchStrategy[str]) -> dict[str, Any]:
    """Return a table that is right, or nearly: some keys may hold anything."""
    kind = draw(st.sampled_from([*KINDS, "odd"]))
    table: dict[str, Any] = {"kind": kind, "description": "D", **GOOD.get(kind, {})}
    address = places | WORDS
    table["bind"] = draw(places | st.lists(places, min_size=1, max_size=3) | st.fixed_dictionaries({"to": address}))
    if kind == "size":
        table["bind"] = {"width": draw(places), "height": draw(places)}
        table["default"] = "512x512"
    elif kind == "loras":
        table["bind"] = draw(nodes)
    if draw(st.booleans()):
        table["bypass"] = draw(st.lists(nodes, max_size=2))
    if draw(st.integers(0, 3)) == 0:
        extra = {"part": WORDS, "scale": VALUE, "offset": VALUE, "round": VALUE, "map": VALUE, "template": VALUE}
        table["bind"] = draw(st.fixed_dictionaries({"to": address}, optional=extra))
        table.update(draw(st.dictionaries(KEYS, VALUE, max_size=2)))
    return table


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a manifest, right or nearly, and its graph."""
    graph = random_graph(draw(st.integers(0, 2**32)))
    values = [f"#{n}.{k}" for n, each in graph.items() for k, v in each["inputs"].items() if not is_link(v)]
    places = st.sampled_from(values or ["#0.none"])
    table = options(places, st.sampled_from([f"#{node_id}" for node_id in graph]))
    manifest: dict[str, Any] = {"schema": 1, "title": "T", "description": "D"}
    manifest["options"] = draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), table, max_size=2))
    if draw(st.integers(0, 2)) == 0:
        loose = {
            "options": st.dictionaries(WORDS, VALUE, max_size=2),
            "presets": st.dictionaries(WORDS, st.fixed_dictionaries({"title": WORDS, "values": VALUE})) | VALUE,
            "actions": st.dictionaries(WORDS, VALUE, max_size=2),
            "access": VALUE,
            "requires": st.fixed_dictionaries({}, optional={"nodes": VALUE, "models": VALUE}) | VALUE,
            "outputs": VALUE,
            "tags": VALUE,
            "command": VALUE,
            "schema": VALUE,
            "seconds": VALUE,
        }
        manifest.update(draw(st.fixed_dictionaries({}, optional=loose)))
    return manifest, graph


GRAPHS = st.integers(0, 2**32).map(random_graph)


def fill(workflow: Workflow, chance: random.Random) -> None:
    """Give something for every option; what arrives must arrive at its address and nowhere else."""
    given_values: dict[str, object] = {}
    for name, option in workflow.manifest.options.items():
        if option.is_hidden or chance.random() < 0.3:
            continue
        said = [1, 2.5, True, "a", "512x512", "euler", "", "7", FILE, None, "Quick"]
        given_values[name] = FILE if option.is_file else chance.choice(said)
    for known in (KNOWN, Definitions()):
        with contextlib.suppress(BotError):
            spec = prepare(workflow, given_values, definitions=known, random=chance)
            allowed = {(t.node_id, t.input_name) for targets in workflow.bindings.values() for t in targets}
            allowed |= {(t.node_id, t.input_name) for t in workflow.fits.values()}
            moved = any(workflow.bypassed.values()) or bool(workflow.loaders)
            for node_id, node in spec.graph.items():
                before = workflow.graph.nodes.get(node_id)
                if before is None:
                    assert moved, "a node appears only where LoRAs are repeated"
                    continue
                for name, value in node["inputs"].items():
                    is_own = name in before.inputs and value == before.inputs[name]
                    is_relinked = moved and is_link(value)
                    is_lora = node_id in workflow.loaders.values()
                    assert is_own or (node_id, name) in allowed or is_relinked or is_lora, (node_id, name)


def paired(pair: tuple[dict[str, Any], dict[str, Any]]) -> Workflow | None:
    """Return the workflow of a pair; None when it is refused, with reasons that say something."""
    table, graph = pair
    try:
        manifest = Manifest.read(table, "x.toml")
        return Workflow.build("x", manifest, Graph.parse(json.dumps(graph), "x.json"), "x.toml")
    except WorkflowError as error:
        told = [str(reason).strip() for reason in error.reasons]
    assert told
    assert all(told)
    return None


@fuzz(5000)
@given(pairs(), st.integers(0, 2**32))
def test_a_manifest_on_a_graph_works_or_is_refused(pair: tuple[dict[str, Any], dict[str, Any]], seed: int) -> None:
    workflow = paired(pair)
    event("refused" if workflow is None else "works")
    if workflow is not None:
        assert all(str(each) for each in check(workflow, KNOWN))
        fill(workflow, random.Random(seed))


@fuzz(2500)
@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | VALUE.map(lambda v: json.dumps(v, default=str).encode())
)
def test_no_bytes_upset_the_reading_of_files(data: bytes) -> None:
    with contextlib.suppress(WorkflowError):
        Manifest.parse(data, "x.toml")
    with contextlib.suppress(WorkflowError):
        Graph.parse(data, "x.json")
    with contextlib.suppress(BotError, WorkflowImportError):
        draft_file(data, "x", KnownNodes({}, Definitions()))


def chunk(kind: bytes, payload: bytes, *, wrong: bool = False) -> bytes:
    crc = zlib.crc32(kind + payload) ^ (1 if wrong else 0)
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", crc & 0xFFFFFFFF)


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """Return a PNG with odd chunks, perhaps cut short or damaged."""
    buffer, info = io.BytesIO(), PngImagePlugin.PngInfo()
    graph = json.dumps(draw(GRAPHS)) if draw(st.booleans()) else draw(st.text(max_size=40))
    for key in draw(st.lists(st.sampled_from(["prompt", "workflow", "parameters"]), max_size=3)):
        if draw(st.booleans()):
            info.add_text(key, graph.encode("latin-1", "replace").decode("latin-1"), zip=draw(st.booleans()))
        else:
            info.add_itxt(key, graph.encode("utf-8", "replace").decode(), zip=draw(st.booleans()))
    Image.new("RGB", (2, 2)).save(buffer, "PNG", pnginfo=info)
    data = buffer.getvalue()
    odd = chunk(
        draw(st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"IEND", b"prOm"])),
        draw(st.sampled_from([b"", b"prompt", b"prompt\0", b"prompt\0\0", b"workflow\0\1\0\0\0"]))
        + draw(st.binary(max_size=40)),
        wrong=draw(st.booleans()),
    )
    data = data[:33] + odd + data[33:]
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    if draw(st.booleans()) and data:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
    return data


@fuzz(2500)
@given(pictures())
def test_no_picture_upsets_the_importer(data: bytes) -> None:
    with contextlib.suppress(BotError, WorkflowImportError):
        made, _export = draft_file(data, "x", KnownNodes({}, KNOWN))
        assert list(described(made))


@pytest.mark.parametrize("case", ["chain", "wide", "deep", "circle", "colons", "big text"])
def test_large_and_odd_graphs_get_an_answer(case: str) -> None:
    """Nothing recurses over a graph, and nothing is tried for each pair of nodes."""
    chain = {str(n): {"class_type": "Odd", "inputs": {"image": [str(n - 1), 0]} if n else {}} for n in range(5000)}
    cases: dict[str, object] = {
        "chain": chain,
        "wide": {str(n): {"class_type": "CLIPTextEncode", "inputs": {"text": "x"}} for n in range(5000)},
        "deep": {"1": {"class_type": "Odd", "inputs": {"x": json.loads("[" * 60 + "]" * 60)}}},
        "circle": {str(n): {"class_type": "Odd", "inputs": {"a": [str((n + 1) % 3000), 0]}} for n in range(3000)},
        "colons": {f"{n}:{n}": {"class_type": "Odd", "inputs": {"a": [f"{n}:{n}", 0]}} for n in range(9)},
        "big text": {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "x" * 5_000_000}}},
    }
    with contextlib.suppress(BotError, WorkflowImportError):
        made, _export = draft_file(json.dumps(cases[case]).encode(), "x", KnownNodes({}, KNOWN))
        assert made.workflow.graph.nodes
