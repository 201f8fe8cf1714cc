"""Rules of the conversion that the kept pairs do not show, and what is refused."""

import time
from typing import Any

import pytest

from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.ui_format.convert import convert
from tests.workflow.importer.samples import OBJECT_INFO, SAMPLER, inputs_of, node, refusal, slot, ui

# ------------------------------------------------------------------ values


def test_values_that_were_not_saved_have_the_defaults():
    found = inputs_of(ui({"id": 1, "type": "KSampler"}), "1")

    assert found == {"seed": 0, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}


def test_values_too_many_are_left_out():
    assert inputs_of(ui(node(1, "KSampler", *SAMPLER, "more", 7)), "1")["denoise"] == 1


def test_values_by_name_count_for_nodes_of_packs_alone():
    document = ui({"id": 1, "type": "EmptyImage", "widgets_values": {"width": 64}})
    pack = OBJECT_INFO["EmptyImage"] | {"python_module": "custom_nodes.pack"}

    assert inputs_of(document, "1")["width"] == 512
    assert inputs_of(document, "1", EmptyImage=pack)["width"] == 64


def test_a_seed_keeps_its_last_digit():
    seed = 2**64 - 1

    assert inputs_of(ui(node(1, "KSampler", seed, *SAMPLER[1:])), "1")["seed"] == seed


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(SAMPLER[:1] + SAMPLER[2:], id="without the control of the seed"),
        pytest.param(("x", *SAMPLER), id="with a value in front"),
    ],
)
def test_values_that_moved_are_refused_by_the_name_of_their_node(values: tuple[Any, ...]):
    said = refusal(ui(node(3, "KSampler", *values, title="Sampler")))

    assert said.startswith("“Sampler” (#3, KSampler): ")
    assert "another version of this node" in said


def test_a_choice_that_holds_the_control_of_a_seed_is_refused():
    late = {"input": {"required": {"seed": ["INT", {"control_after_generate": False}], "mode": [["a", "b"]]}}}

    assert "“mode” holds “fixed”" in refusal(ui(node(1, "Late", 5, "fixed", "a")), Late=late)


def test_what_is_fed_by_another_node_need_not_be_sound():
    document = ui(
        node(1, "EmptyImage", "what?", 64, 1, 0, inputs=[slot("width", "INT", 1, widget=True)]),
        node(2, "PrimitiveInt", 5, "fixed"),
        links=([1, 2, 0, 1, 0, "INT"],),
    )

    assert inputs_of(document, "1")["width"] == ["2", 0]


def test_a_primitive_keeps_to_the_steps_and_limits_of_what_it_feeds():
    def fed(value: object) -> object:
        document = ui(
            node(1, "EmptyLatentImage", 64, 64, 1, inputs=[slot("width", "INT", 1, widget=True)]),
            node(2, "PrimitiveNode", value, "fixed"),
            links=([1, 2, 0, 1, 0, "INT"],),
        )
        return inputs_of(document, "1")["width"]

    assert [fed(value) for value in (130, 132, 1, 10**9)] == [128, 136, 16, 16384]


def test_a_primitive_behind_a_bypassed_node_feeds_nothing():
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0, inputs=[slot("width", "INT", 2, widget=True)]),
        node(2, "PrimitiveNode", 5, "fixed"),
        node(3, "PrimitiveInt", 7, "fixed", mode=4, inputs=[slot("value", "INT", 1, widget=True)]),
        links=([1, 2, 0, 3, 0, "INT"], [2, 3, 0, 1, 0, "INT"]),
    )

    assert inputs_of(document, "1")["width"] == 64


# ------------------------------------------------------------------ modes and links


def test_only_muted_and_bypassed_nodes_stay_out():
    document = ui(*(node(mode, "EmptyImage", 64, 64, 1, 0, mode=mode) for mode in range(5)))

    assert list(convert(document, OBJECT_INFO)) == ["0", "1", "3"]


def test_a_bypassed_node_of_an_unknown_class_is_passed_by_what_was_saved():
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "Gone", mode=4, inputs=[slot("image", "IMAGE", 1)]),
        node(3, "PreviewImage", inputs=[slot("images", "IMAGE", 2)]),
        links=([1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]),
    )

    assert inputs_of(document, "3") == {"images": ["1", 0]}


def test_types_of_a_bypassed_node_may_be_unions():
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "Gone", mode=4, inputs=[slot("text", "STRING", 1), slot("image", "MASK,IMAGE", 1)]),
        node(3, "PreviewImage", inputs=[slot("images", "IMAGE,VIDEO", 2)]),
        links=([1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]),
    )

    assert inputs_of(document, "3") == {"images": ["1", 0]}


def test_the_input_that_fits_is_final_though_nothing_feeds_it():
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "Gone", mode=4, inputs=[slot("first", "IMAGE"), slot("second", "IMAGE", 1)]),
        node(3, "PreviewImage", inputs=[slot("images", "IMAGE", 2)]),
        links=([1, 1, 0, 2, 1, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]),
    )

    assert inputs_of(document, "3") == {}


def test_set_and_get_nodes_are_followed_without_a_link_between_them():
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "SetNode", "picture", inputs=[slot("IMAGE", "IMAGE", 1)]),
        node(3, "GetNode", "picture"),
        node(4, "PreviewImage", inputs=[slot("images", "IMAGE", 2)]),
        links=([1, 1, 0, 2, 0, "IMAGE"], [2, 3, 0, 4, 0, "IMAGE"]),
    )

    assert convert(document, OBJECT_INFO)["4"]["inputs"] == {"images": ["1", 0]}


def test_malformed_links_feed_nothing():
    document = ui(
        node(1, "EmptyImage", 64, 64, 1, 0),
        node(2, "PreviewImage", inputs=[slot("images", "IMAGE", 1)]),
        links=([1, 1, -1, 2, 0], [1], "x", None, {"id": 3}),  # type: ignore[arg-type]
    )

    assert inputs_of(document, "2") == {}


def test_reroutes_in_a_circle_are_refused():
    document = ui(
        node(1, "Reroute", inputs=[slot("", "*", 2)]),
        node(2, "Reroute", inputs=[slot("", "*", 1)]),
        node(3, "PreviewImage", inputs=[slot("images", "IMAGE", 1)]),
        links=([1, 1, 0, 2, 0, "*"], [2, 2, 0, 1, 0, "*"]),
    )

    assert "circle of links" in refusal(document)


def test_two_nodes_of_one_id_both_come_out():
    graph = convert(ui(node(4, "EmptyImage", 64), node(4, "EmptyImage", 32)), OBJECT_INFO)

    assert {node_id: entry["inputs"]["width"] for node_id, entry in graph.items()} == {"4": 64, "5": 32}


# ------------------------------------------------------------------ refused


def test_missing_classes_are_all_named_with_the_package_that_has_them():
    said = refusal(
        ui(
            node(1, "Gone", title="My node", properties={"cnr_id": "comfyui-gone"}),
            node(2, "Newer", properties={"cnr_id": "comfy-core"}),
            node(3, "Muted", mode=2),
        )
    )

    assert said.splitlines() == [
        "“My node” (#1, Gone): not installed on the ComfyUI server. Install the node pack comfyui-gone.",
        "“Newer” (#2): not installed on the ComfyUI server. Update ComfyUI.",
    ]


def test_classes_are_known_by_their_older_names_too():
    average = {"input": {"required": {"strength": ["FLOAT", {"default": 1.0}]}}}

    assert convert(ui(node(1, "ConditioningAverage ")), OBJECT_INFO | {"ConditioningAverage": average})["1"] == {
        "class_type": "ConditioningAverage",
        "inputs": {"strength": 1.0},
        "_meta": {"title": "ConditioningAverage"},
    }


def test_a_node_that_needs_the_editor_is_refused_unless_it_is_muted():
    camera = {"input": {"required": {"image": ["WEBCAM", {}]}}}

    assert "editor to be open" in refusal(ui(node(1, "Camera")), Camera=camera)
    assert convert(ui(node(1, "Camera", mode=2)), OBJECT_INFO | {"Camera": camera}) == {}


def test_a_node_that_feeds_others_without_links_is_refused():
    everywhere = {"input": {"required": {}, "optional": {"anything": ["*", {}]}}}
    document = ui(node(1, "Anything Everywhere"))

    assert "feeds inputs without links" in refusal(document, **{"Anything Everywhere": everywhere})


def test_a_group_node_that_is_bypassed_is_refused():
    document = ui(node(1, "workflow>Pair", mode=4), extra={"groupNodes": {"Pair": {"nodes": [], "links": []}}})

    assert "“workflow>Pair” (#1) is a bypassed group node" in refusal(document)


@pytest.mark.parametrize("document", [None, [], {}, {"nodes": []}, {"1": {"class_type": "A", "inputs": {}}}])
def test_other_documents_are_refused(document: object):
    assert "not a workflow" in refusal(document)


def test_without_a_server_the_sentence_says_so():
    with pytest.raises(WorkflowImportError, match="needs a ComfyUI server"):
        convert(ui(node(1, "EmptyImage")), {})


def test_a_problem_tells_its_node_to_programs_as_well():
    with pytest.raises(WorkflowImportError) as caught:
        convert(ui(node(1, "Gone")), OBJECT_INFO)

    assert [(each.node_id, each.class_type) for each in caught.value.problems] == [("1", "Gone")]


# ------------------------------------------------------------------ sizes


def test_five_thousand_nodes_take_less_than_a_second():
    reroutes = [node(number, "Reroute", inputs=[slot("", "*", number - 1)]) for number in range(1, 2500)]
    readers = [node(number, "PreviewImage", inputs=[slot("images", "IMAGE", 2499)]) for number in range(2500, 5000)]
    document = ui(
        node(0, "EmptyImage", 64, 64, 1, 0), *reroutes, *readers, links=tuple([n, n, 0, n + 1, 0] for n in range(2500))
    )
    started = time.process_time()

    graph = convert(document, OBJECT_INFO)

    assert time.process_time() - started < 1
    assert graph["4999"]["inputs"] == {"images": ["0", 0]}


def test_more_nodes_are_refused():
    assert "more than 5000 nodes" in refusal(ui(*(node(number, "EmptyImage") for number in range(5001))))


def test_values_without_end_are_refused():
    assert "more than 200000 inputs and values" in refusal(ui(node(1, "EmptyImage", *range(200_001))))


def test_links_that_are_tangled_on_purpose_are_refused_in_time():
    wide = [slot(f"s{number}", f"T{number}", number) for number in range(5_000)]
    document = ui(
        node(1, "Gone", mode=4, inputs=wide),
        node(2, "PreviewImage", inputs=[slot(f"i{number}", "IMAGE", 30_000 + number) for number in range(5_000)]),
        links=tuple([30_000 + number, 1, number, 2, number] for number in range(5_000)),
    )
    started = time.process_time()

    assert "too tangled" in refusal(document)
    assert time.process_time() - started < 2
