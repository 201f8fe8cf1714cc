"""The pairs that ship, against what a stock ComfyUI says of its nodes: recorded, with empty lists of models."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Graph
from bot.workflow.library.catalog import Catalog
from bot.workflow.run.availability import unmet
from bot.workflow.run.check import check
from bot.workflow.run.events import InputFile
from bot.workflow.run.live_limits import allowed
from bot.workflow.run.prepare import prepare
from bot.workflow.workflow import Workflow
from tests.workflow.samples import SHIPPED

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "gallery_object_info.json").read_text(encoding="utf-8"))
CATALOG = Catalog.load(SHIPPED)
GALLERY = sorted(name for name, each in CATALOG.workflows.items() if not each.manifest.requires.is_empty)
PICTURE = InputFile("cc_x.png", b"x", 2048, 2048)


def server(*workflows: Workflow) -> Definitions:
    """Return a stock server that has the models of some workflows, under names that their patterns fit."""
    info = copy.deepcopy(RECORDED)
    for workflow in workflows:
        wanted = {source: patterns[0] for source, patterns in workflow.manifest.requires.models.items()}
        wanted |= {option.source: "*" for option in workflow.manifest.options.values() if option.source} | wanted
        for source, pattern in wanted.items():
            class_type, _dot, name = source.rpartition(".")
            entry = info[class_type]["input"]["required"][name]
            listed = entry[0] if isinstance(entry[0], list) else entry[1]["options"]
            if not listed or pattern != "*":
                listed.append(pattern.replace("*", "x") + ".safetensors")
    return Definitions.parse(info)


def test_nothing_is_wrong_with_what_ships() -> None:
    assert CATALOG.problems == ()
    assert len(GALLERY) >= 8
    assert {"imagine", "img2img", "inpaint", "upscale"}.isdisjoint(GALLERY)


@pytest.mark.parametrize("name", GALLERY)
def test_it_is_off_without_its_models_and_says_why(name: str) -> None:
    requires = CATALOG.workflows[name].manifest.requires
    reason = unmet(requires, [server()])
    if requires.models:
        assert str(reason).startswith("no GPU server has everything it needs. Missing: a model that matches")
    else:
        assert reason is None, "it needs no model, so any server will do"
    assert (
        "the node" in str(unmet(requires, [Definitions.parse({"Other": RECORDED["SaveImage"]})])) or not requires.nodes
    )


@pytest.mark.parametrize("name", GALLERY)
def test_a_stock_server_with_its_models_can_run_it(name: str) -> None:
    workflow = CATALOG.workflows[name]
    known = server(workflow)
    assert unmet(workflow.manifest.requires, [known]) is None
    for given in (needed(workflow), everything(workflow, known)):
        for preset in (None, *(preset.title for preset in workflow.manifest.presets.values())):
            said = given | ({"preset": preset} if preset else {})
            spec = prepare(workflow, said, definitions=known, random=random.Random(1))
            whole = Graph.parse(json.dumps(spec.graph), name)
            filled = {(t.node_id, t.input_name) for up in spec.uploads for t in up.targets}
            told = [str(each) for each in check(bare(workflow, whole), known)]
            files = {f"for “{name}” of “{whole.nodes[node_id].title}”" for node_id, name in filled}
            assert [line for line in told if not any(each in line for each in files)] == []


def needed(workflow: Workflow) -> dict[str, object]:
    """Return the least that a member gives."""
    return {
        name: PICTURE if option.is_file else "a fox"
        for name, option in workflow.manifest.options.items()
        if option.required
    }


def everything(workflow: Workflow, known: Definitions) -> dict[str, object]:
    """Return something for every option."""
    given: dict[str, object] = {}
    for name, option in workflow.manifest.ordered_options():
        limits = allowed(workflow, name, known)
        if option.is_file:
            given[name] = PICTURE
        elif limits.live:
            given[name] = limits.live[-1]
        elif option.kind == "boolean":
            given[name] = False
        elif option.kind == "size":
            given[name] = "3:2"
        elif option.minimum is not None:
            given[name] = option.minimum
        elif option.kind in ("text", "seed"):
            given[name] = "7"
    return given


def bare(workflow: Workflow, graph: Graph) -> Workflow:
    """Return a workflow of the same graph without options: every value in it must do as it stands."""
    manifest = workflow.manifest.model_copy(update={"options": {}, "presets": {}, "outputs": ()})
    return Workflow.build(workflow.name, manifest, graph, workflow.source)
