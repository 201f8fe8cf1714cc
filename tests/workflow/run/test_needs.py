"""What a run needs, what a server is without, and how that is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.graph.definitions import Definitions, InputDefinition
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.needs import (
    ANYTHING,
    GIGABYTE,
    Abilities,
    MissingKind,
    MissingResource,
    Needs,
    dump_missing,
    load_missing,
    missing_resources,
    missing_text,
)
from tests.workflow.samples import (
    NODES,
    combo,
    definitions,
    node,
    option,
    picture,
    run,
    workflow,
)

STOCK = definitions()
LOADER = ("CheckpointLoaderSimple", "ckpt_name")
BASE = "SDXL/base.safetensors"


def graph(**inputs: Any) -> JsonGraph:
    """Return one node with these inputs behind a checkpoint that is there."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": BASE}},
        "2": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "sampler_name": "euler", **inputs}},
    }


def loads(class_type: str, **inputs: str) -> JsonGraph:
    return {"1": {"class_type": class_type, "inputs": inputs}}


def able(known: Definitions = STOCK, vram: int = 0) -> Abilities:
    return Abilities(known, vram, "0.3.64")


# ------------------------------------------------------------------ what a graph needs


def test_nodes_and_chosen_values_are_needed():
    needs = Needs.of(graph(steps=20, scheduler="karras", cfg="7"), STOCK)

    assert needs.nodes == {"CheckpointLoaderSimple", "KSampler"}
    assert needs.choices == {
        (*LOADER, BASE),
        ("KSampler", "sampler_name", "euler"),
        ("KSampler", "scheduler", "karras"),
    }
    assert (needs.models, needs.model) == ((BASE,), BASE)


def test_free_text_and_files_that_are_brought_along_are_not():
    spec = run(workflow(LoadImage={"class_type": "LoadImage", "inputs": {"image": "mine.png"}}), known=STOCK)

    assert "LoadImage" in spec.needs.nodes
    assert {name for _class, name, _value in spec.needs.choices} == {"ckpt_name", "sampler_name", "scheduler"}


def test_inputs_that_take_an_upload_are_not_even_where_they_look_like_a_choice():
    known = definitions(node("Odd", thing=combo("a", "b")))
    odd = loads("Odd", thing="placeholder")

    assert Needs.of(odd, known).choices == {("Odd", "thing", "placeholder")}
    assert Needs.of(odd, known, uploaded=[("1", "thing")]).choices == frozenset()


def test_while_no_server_is_known_only_models_are():
    needs = Needs.of(graph(scheduler="karras"), Definitions())

    assert needs.choices == {(*LOADER, BASE)}
    assert needs.models == (BASE,)


def test_the_heaviest_kind_of_model_counts_for_loading():
    flux: JsonGraph = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
        "2": {
            "class_type": "DualCLIPLoader",
            "inputs": {"clip_name1": "t5.safetensors", "clip_name2": "l.pt"},
        },
        "3": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
        "4": {"class_type": "LoraLoader", "inputs": {"lora_name": "style.safetensors"}},
    }
    without = {key: each for key, each in flux.items() if key != "1"}
    light = {key: each for key, each in without.items() if key != "2"}

    assert Needs.of(flux, Definitions()).models == ("flux.safetensors",)
    assert Needs.of(without, Definitions()).model == "l.pt|t5.safetensors"
    assert Needs.of(light, Definitions()).model == ""


@pytest.mark.parametrize(
    ("class_type", "input_name", "value", "is_heavy"),
    [
        ("Efficient Loader", "ckpt_name", "a.ckpt", True),
        ("Efficient Loader", "vae_name", "a.pt", False),
        ("Efficient Loader", "lora_name", "a.safetensors", False),
        ("UnetLoaderGGUF", "unet_name", "A.GGUF", True),
        ("UpscaleModelLoader", "model_name", "4x.pth", True),
        ("CheckpointLoaderSimple", "ckpt_name", "no-ending", False),
        ("CLIPTextEncode", "text", "a cat in a.safetensors", False),
    ],
)
def test_models_are_told_by_where_they_stand(class_type: str, input_name: str, value: str, is_heavy: bool):
    assert bool(Needs.of(loads(class_type, **{input_name: value}), Definitions()).models) is is_heavy


def test_what_a_member_left_open_needs_any_model_but_names_the_likely_one():
    made = workflow(option("model", "#4.ckpt_name", f'from = "{".".join(LOADER)}"'))
    open_, chosen = run(made), run(made, {"it": BASE})

    assert (*LOADER, ANYTHING) in open_.needs.choices
    assert open_.needs.model == open_.values["it"] == "anything.safetensors"
    assert (*LOADER, BASE) in chosen.needs.choices
    assert missing_resources(open_.needs, able(definitions(checkpoints=("mine.ckpt",)))) == ()
    assert missing_resources(chosen.needs, able(definitions(checkpoints=("mine.ckpt",)))) == (
        MissingResource(MissingKind.MODEL, BASE, ".".join(LOADER)),
    )


def test_a_picture_that_a_member_gives_is_not_needed_from_the_server():
    made = workflow(
        option("image", "#20.image"), **{"20": {"class_type": "LoadImage", "inputs": {"image": "example.png"}}}
    )

    assert missing_resources(run(made, {"it": picture()}).needs, able()) is not None
    assert not [each for each in run(made, {"it": picture()}).needs.choices if each[0] == "LoadImage"]


def test_the_memory_that_an_author_asks_for_is_in_bytes():
    assert run(workflow("vram = 12\n")).needs.vram == 12 * GIGABYTE
    assert run(workflow("vram = 5.5\n")).needs.vram == 5_500_000_000
    assert run(workflow()).needs.vram == 0


# ------------------------------------------------------------------ classes and JSON


def test_the_class_is_the_same_for_what_the_same_servers_can_do():
    first = Needs.of(graph(steps=20, seed=1), STOCK)
    again = Needs.of(dict(reversed(graph(seed=2, steps=5).items())), STOCK)
    others = [
        Needs.of(graph(sampler_name="ddim"), STOCK),
        Needs.of(graph(), STOCK, vram=1),
        Needs.of(graph(), STOCK, left_open={("1", "ckpt_name"): ()}),
        Needs.of({**graph(), "3": {"class_type": "SaveImage", "inputs": {}}}, STOCK),
    ]

    assert first.cls == again.cls
    assert len({each.cls for each in (first, *others)}) == 5
    assert all(len(each.cls) == 16 and int(each.cls, 16) for each in others)


def test_a_class_is_the_same_in_every_process_and_version():
    assert Needs(frozenset({"A", "B"}), frozenset({("A", "x", "y")}), ("m",), 5).cls == "2786935d8ab230a7"


def test_no_needs_have_no_class():
    assert (Needs().cls, Needs().model) == ("", "")


names = st.text(max_size=8)
some_needs = st.builds(
    Needs,
    nodes=st.frozensets(names, max_size=3),
    choices=st.frozensets(st.tuples(names, names, names), max_size=3),
    models=st.lists(names, max_size=3).map(tuple),
    vram=st.integers(0, 10**12),
)


@given(some_needs)
def test_needs_come_back_from_json(needs: Needs):
    assert Needs.from_json(needs.to_json()) == needs


@pytest.mark.parametrize("text", ["", "[]", '{"nodes": 1, "choices": [["a"], 2], "models": [3], "vram": "x"}'])
def test_needs_of_an_unknown_shape_are_none(text: str):
    assert Needs.from_json(text) == Needs()


def test_abilities_come_back_from_json():
    known = able(vram=24 * GIGABYTE)
    back = Abilities.from_json(known.to_json())

    assert back == known
    assert back.fingerprint == known.fingerprint
    assert Abilities.from_json("[]") == Abilities()


def test_the_fingerprint_of_abilities_tells_any_change():
    every = [Abilities(), able(), able(vram=1), Abilities(STOCK), able(definitions(checkpoints=()))]

    assert len({each.fingerprint for each in every}) == len(every)


# ------------------------------------------------------------------ what a server is without


def test_a_server_that_has_it_all_lacks_nothing():
    assert missing_resources(Needs.of(graph(), STOCK, vram=12), able(vram=12)) == ()


def test_a_server_that_has_told_nothing_is_not_judged():
    assert missing_resources(Needs.of(graph(), STOCK), Abilities(vram=1)) is None
    assert missing_resources(Needs(), Abilities()) is None


def test_nodes_models_values_and_memory_are_missed():
    wanted: JsonGraph = {**graph(sampler_name="warp"), "3": {"class_type": "Magic", "inputs": {"mode": "fast"}}}
    wanted["1"]["inputs"]["ckpt_name"] = "gone.ckpt"
    needs = Needs.of(wanted, definitions(node("Magic", mode=combo("fast"))), vram=24 * GIGABYTE)

    assert missing_resources(needs, able(vram=12 * GIGABYTE)) == (
        MissingResource(MissingKind.NODE, "Magic"),
        MissingResource(MissingKind.MODEL, "gone.ckpt", "CheckpointLoaderSimple.ckpt_name"),
        MissingResource(MissingKind.CHOICE, "warp", "KSampler.sampler_name"),
        MissingResource(MissingKind.MEMORY, needed=24 * GIGABYTE, there=12 * GIGABYTE),
    )


def test_memory_is_no_obstacle_where_the_server_does_not_say_how_much_it_has():
    assert missing_resources(Needs.of(graph(), STOCK, vram=24 * GIGABYTE), able()) == ()


def test_a_card_of_twelve_gigabytes_has_them():
    assert missing_resources(Needs.of(graph(), STOCK, vram=12 * GIGABYTE), able(vram=12_628_656_128)) == ()


def test_a_server_without_any_model_cannot_choose_one():
    needs = Needs.of(graph(), STOCK, left_open={("1", "ckpt_name"): ()})
    [lack] = list(missing_resources(needs, able(definitions(checkpoints=()))) or ())

    assert (lack.kind, lack.name) == (MissingKind.MODEL, "")
    assert str(lack.message) == "any model for “CheckpointLoaderSimple.ckpt_name”"


def test_a_model_that_several_nodes_load_is_missed_once():
    twice = {**graph(), "3": {"class_type": "Second", "inputs": {"ckpt_name": BASE}}}
    known = definitions(node("Second", ckpt_name=combo(BASE)))
    without = definitions(node("Second", ckpt_name=combo()), checkpoints=())

    assert [lack.name for lack in missing_resources(Needs.of(twice, known), able(without)) or ()] == [BASE]


def test_an_input_that_a_server_knows_in_another_way_is_its_own_business():
    needs = Needs.of(graph(), STOCK)
    free = node("KSampler", sampler_name=InputDefinition("STRING"))
    gone = node("KSampler")

    assert missing_resources(needs, able(definitions(free))) == ()
    assert missing_resources(needs, able(definitions(gone))) == ()


def test_what_only_the_graph_names_is_missed_everywhere_and_said():
    needs = Needs.of(NODES, STOCK)
    [lack] = list(missing_resources(needs, able()) or ())

    assert str(missing_text([lack])) == (
        "No GPU server can run this yet. Missing: the model “old.ckpt”. Your request will start once that is available."
    )


def test_a_long_list_is_cut_and_names_nobody():
    things = [MissingResource(MissingKind.NODE, f"@everyone{number}") for number in range(8)]
    things[1] = MissingResource(MissingKind.MEMORY, needed=5_500_000_000)

    assert "5.5 GB of graphics memory" in str(missing_text(things))
    assert "and 3 more" in str(missing_text(things))
    assert "@everyone" not in str(missing_text(things))


def test_lacks_come_back_from_json():
    things = (MissingResource(MissingKind.CHOICE, "a", "B.c"), MissingResource(MissingKind.MEMORY, needed=2, there=1))

    assert load_missing(dump_missing(things)) == things
    assert load_missing('[["node"], ["odd", "", "", 0, 0], 7, ["node", "A", "", 0, 0]]') == (
        MissingResource(MissingKind.NODE, "A"),
    )
