"""Leaving nodes out of graphs, as ComfyUI's editor does."""

from typing import Any

import pytest

from bot.errors import InputError
from bot.workflow.graph.bypass import bypass
from bot.workflow.graph.definitions import Definitions, InputDefinition, NodeDefinition

UNKNOWN = Definitions()


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def known(class_type: str, outputs: tuple[str, ...], optional: tuple[str, ...] = (), **types: str) -> NodeDefinition:
    inputs = {name: InputDefinition(type=kind, required=name not in optional) for name, kind in types.items()}
    return NodeDefinition(class_type, inputs, outputs=outputs)


LORA = known("LoraLoader", ("MODEL", "CLIP"), model="MODEL", clip="CLIP", lora_name="COMBO")
KNOWN = Definitions(
    {
        entry.class_type: entry
        for entry in (
            LORA,
            known("Loader", ("MODEL", "CLIP", "VAE")),
            known("Blend", ("IMAGE",), image2="IMAGE", image1="IMAGE"),
            known(
                "ControlNetApply", ("CONDITIONING", "CONDITIONING"), positive="CONDITIONING", negative="CONDITIONING"
            ),
            known("Guide", ("GUIDE",), image="IMAGE"),
            known("Sampler", ("LATENT",), optional=("guide",), model="MODEL", guide="GUIDE"),
            known("Save", (), images="IMAGE"),
        )
    }
)


@pytest.mark.parametrize("definitions", [UNKNOWN, KNOWN])
def test_readers_get_what_the_node_takes_slot_by_slot(definitions: Definitions) -> None:
    graph = {
        "1": node("Loader"),
        "2": node("LoraLoader", model=["1", 0], clip=["1", 1], lora_name="a"),
        "3": node("LoraLoader", model=["2", 0], clip=["2", 1], lora_name="b"),
        "4": node("Reader", model=["3", 0], clip=["3", 1]),
    }
    bypass(graph, ["2", "3"], definitions)
    assert graph == {"1": node("Loader"), "4": node("Reader", model=["1", 0], clip=["1", 1])}


def test_the_second_output_of_a_type_gets_the_second_input_of_it() -> None:
    graph = {
        "1": node("Text"),
        "2": node("Text"),
        "3": node("ControlNetApply", positive=["1", 0], negative=["2", 0]),
        "4": node("Reader", a=["3", 0], b=["3", 1]),
    }
    bypass(graph, ["3"], KNOWN)
    assert graph["4"] == node("Reader", a=["1", 0], b=["2", 0])


def test_the_order_of_the_graph_decides_between_inputs_of_one_type() -> None:
    graph = {
        "1": node("LoadImage"),
        "2": node("LoadImage"),
        "3": node("Blend", image1=["1", 0], image2=["2", 0]),
        "4": node("Save", images=["3", 0]),
    }
    bypass(graph, ["3"], KNOWN)
    assert graph == {"1": node("LoadImage"), "4": node("Save", images=["1", 0])}, "what nobody reads goes, too"


def test_an_optional_input_is_lost_and_a_needed_one_takes_its_node_along() -> None:
    graph = {
        "1": node("Loader"),
        "2": node("Picture"),
        "3": node("Guide", image=["2", 0]),
        "4": node("Sampler", model=["1", 0], guide=["3", 0]),
        "5": node("Save", images=["4", 0]),
        "6": node("Save", images=["2", 0]),
    }
    bypass(graph, ["3"], KNOWN, ["5"])
    assert graph["4"] == node("Sampler", model=["1", 0])
    assert set(graph) == {"1", "2", "4", "5", "6"}
    bypass(graph, ["2"], KNOWN, ["5"])
    assert set(graph) == {"1", "4", "5"}


def test_nothing_left_to_show_is_refused() -> None:
    graph = {"1": node("Picture"), "2": node("Guide", image=["1", 0]), "3": node("Save", images=["2", 0])}
    with pytest.raises(InputError, match="produces nothing without that option"):
        bypass(graph, ["2"], KNOWN)


def test_unknown_nodes_are_told_by_the_names_of_their_inputs() -> None:
    graph = {
        "1": node("Encode"),
        "2": node("Encode"),
        "3": node("Custom", positive=["1", 0], negative=["2", 0], strength=1.0),
        "4": node("KSampler", positive=["3", 0], negative=["3", 1]),
        "5": node("Save", samples=["4", 0]),
    }
    bypass(graph, ["3"], UNKNOWN)
    assert graph["4"]["inputs"] == {"positive": ["1", 0], "negative": ["2", 0]}


def test_what_is_not_there_is_passed_by() -> None:
    graph = {"1": node("Picture"), "2": node("Save", images=["1", 0])}
    bypass(graph, ["9", "9"], UNKNOWN)
    assert set(graph) == {"1", "2"}
