"""What an author said about options comes first: App mode, marker nodes, placeholders."""

import json
from copy import deepcopy
from typing import Any

from bot.workflow.importer.draft import Draft, draft
from bot.workflow.manifest.sections import Output
from tests.workflow.importer.samples import SUBGRAPH, node, slot, with_subgraph
from tests.workflow.importer.test_draft import changed, options_of, told
from tests.workflow.samples import (
    NODES,
    OFFLINE,
    definitions,
    run,
)

KNOWN = definitions()


def form(*inputs: list[Any], outputs: list[Any] | None = None) -> dict[str, Any]:
    data = {"inputs": list(inputs), "outputs": outputs or []}
    return {"nodes": [], "links": [], "version": 0.4, "extra": {"linearMode": True, "linearData": data}}


def names(made: Draft) -> list[str]:
    return list(options_of(made))


# ------------------------------------------------------------------ App mode


def test_the_form_of_app_mode_comes_first_and_in_its_order() -> None:
    made = draft(NODES, KNOWN, document=form([7, "text"], ["54:3", "seed", {"height": 120}], ["5", "width"]))
    assert names(made)[:4] == ["negative", "seed", "width", "prompt"]
    assert "The author's own choice ends here." in made.manifest


def test_a_form_may_hold_inputs_that_are_no_usual_options() -> None:
    option = options_of(draft(NODES, KNOWN, document=form(["54:3", "denoise"])))["denoise"]
    assert (option.kind, option.bind, option.default, option.maximum) == ("number", ("#54:3.denoise",), 1.0, 1.0)


def test_the_form_says_which_results_are_shown() -> None:
    graph = changed() | {"p": {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}}
    assert draft(graph, KNOWN, document=form(outputs=["p"])).workflow.manifest.outputs == (Output(node="PreviewImage"),)
    assert draft(graph, OFFLINE).workflow.manifest.outputs == (Output(node="SaveImage"),)


def test_ids_of_the_form_lead_into_subgraphs() -> None:
    for entry in (["3", "steps"], [f"{SUBGRAPH}:3:steps"]):
        assert names(draft(NODES, KNOWN, document=form(entry)))[0] == "steps"


def test_an_input_of_a_subgraphs_own_node_is_that_of_the_node_within() -> None:
    graph = {"76:7" if key == "6" else key: deepcopy(each) for key, each in NODES.items()}
    graph["54:3"]["inputs"]["positive"] = ["76:7", 0]
    inner = {
        "inputs": [{"name": "words", "type": "STRING", "linkIds": [1]}],
        "nodes": [node(7, "CLIPTextEncode", "a cat", inputs=[slot("text", "STRING", 1, widget=True)])],
        "links": [{"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 7, "target_slot": 0, "type": "STRING"}],
    }
    document = with_subgraph(inner, node(76, SUBGRAPH)) | {"extra": form([76, "words"])["extra"]}
    made = draft(graph, KNOWN, document=document)
    assert names(made)[0] == "prompt"
    assert options_of(made)["prompt"].bind == ("#76:7.text",)


# ------------------------------------------------------------------ marker nodes


def marker(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def test_parameters_of_krita_give_names_order_and_limits() -> None:
    graph = changed(n6__text=["p", 0], S__steps=["s", 0], n4__ckpt_name=["c", 0]) | {
        "p": marker("ETN_Parameter", name="2. Wish", type="prompt (positive)", default="a cat"),
        "s": marker("ETN_Parameter", name="1. Quality/1. Effort", type="number (integer)", default=20, min=5, max=40),
        "c": marker("ETN_Parameter", name="3. class", type="choice", default="old.ckpt"),
    }
    made = options_of(draft(graph, KNOWN))
    assert list(made)[:3] == ["effort", "wish", "class_"]
    assert (made["effort"].minimum, made["effort"].maximum, made["effort"].bind) == (5, 40, ("#s.default",))
    assert (made["wish"].kind, made["wish"].required) == ("text", True)
    assert (made["class_"].kind, made["class_"].source) == ("model", "CheckpointLoaderSimple.ckpt_name")


def test_external_nodes_of_comfy_deploy_are_read() -> None:
    graph = changed(n6__text=["t", 0], S__cfg=["n", 0]) | {
        "t": marker("ComfyUIDeployExternalText", input_id="wish", default_value="a cat", description="What you want"),
        "n": marker("ComfyUIDeployExternalNumberSlider", input_id="cfg", default_value=7.5, min_value=1, max_value=9),
        "i": marker("ComfyUIDeployExternalImage", input_id="face", default_value_url="https://x"),
    }
    made = draft(graph, OFFLINE)
    found = options_of(made)
    assert (found["wish"].description, found["wish"].bind) == (
        "What you want", ("ComfyUIDeployExternalText.default_value",)
    )  # fmt: skip
    assert (found["cfg"].minimum, found["cfg"].maximum, found["cfg"].default) == (1, 9, 7.5)
    assert "Put Load Image in its place" in told(made)


def test_inputs_of_swarm_are_read() -> None:
    graph = changed(S__seed=["s", 0], S__sampler_name=["d", 0]) | {
        "s": marker("SwarmInputInteger", title="Luck", value=5, min=0, max=100, view_type="seed", order_priority=2),
        "d": marker("SwarmInputDropdown", title="Way", value="euler", values="euler, ddim,,uni_pc", order_priority=-1),
    }
    found = options_of(draft(graph, OFFLINE))
    assert list(found)[:2] == ["way", "luck"]
    assert found["luck"].kind == "seed"
    assert [choice.label for choice in found["way"].choices] == ["euler", "ddim", "uni_pc"]
    assert found["way"].default == "euler"


# ------------------------------------------------------------------ placeholders


PLACEHOLDERS = changed(
    n6__text="${wish:a cat}", n7__text="%negative%", S__seed="${seed:42}", S__steps="${steps}",
    n5__width="${width:768}", n9__filename_prefix="${name:x}",
)  # fmt: skip


def test_placeholders_become_options_of_the_right_kind() -> None:
    for known in (KNOWN, OFFLINE):
        made = draft(PLACEHOLDERS, known)
        found = options_of(made)
        assert {name: found[name].kind for name in ("wish", "negative", "seed", "steps", "width")} == {
            "wish": "text", "negative": "text", "seed": "seed", "steps": "integer", "width": "integer",
        }  # fmt: skip
        assert (found["wish"].default, found["wish"].required, found["width"].default) == ("a cat", False, 768)
        assert (found["steps"].required, found["negative"].default) == (True, "")
        assert "height" in found
        assert "“filename_prefix” of “SaveImage” names a file" in told(made)


def test_no_placeholder_is_left_in_what_runs() -> None:
    spec = run(draft(PLACEHOLDERS, KNOWN).workflow, {"steps": 9}, KNOWN)
    inputs = {node_id: entry["inputs"] for node_id, entry in spec.graph.items()}
    assert (inputs["6"]["text"], inputs["7"]["text"]) == ("a cat", "")
    assert (inputs["5"]["width"], inputs["54:3"]["steps"]) == (768, 9)
    assert isinstance(inputs["54:3"]["seed"], int)


def test_words_around_a_placeholder_become_a_part_of_the_default() -> None:
    made = draft(changed(n6__text="photo of ${subject:a cat}, ${style:sharp}"), KNOWN)
    assert options_of(made)["subject"].default == "photo of a cat, sharp"
    assert "The words around the placeholder" in made.manifest


def test_the_graph_itself_stays_as_it_was() -> None:
    before = json.dumps(PLACEHOLDERS)
    assert draft(PLACEHOLDERS, KNOWN).graph == json.loads(before)
