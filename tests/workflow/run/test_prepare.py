import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import InputError
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph, Target
from bot.workflow.run.prepare import check, resolve_for_server
from bot.workflow.run.spec import Upload
from tests.workflow.samples import (
    NODES,
    OFFLINE,
    combo,
    decimal,
    definitions,
    node,
    option,
    picture,
    run,
    whole,
    workflow,
)

PROMPT = option("text", "#6.text", "required = true", name="prompt")
SEED = option("seed", "#54:3.seed", name="seed")
MODEL = option("model", "#4.ckpt_name", 'from = "CheckpointLoaderSimple.ckpt_name"', name="checkpoint")
SAMPLER = option("choice", "#54:3.sampler_name", 'from = "KSampler.sampler_name"', name="sampler")
LOAD = {"n": {"class_type": "LoadImage", "inputs": {"image": "example.png"}}}


def refusal(options: str, given_values: dict[str, object], **extra: Mapping[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        run(workflow(options, **extra), given_values)
    return str(caught.value.user_message)


def test_values_land_in_a_copy_of_the_graph() -> None:
    made = workflow(PROMPT + option("integer", "#54:3.steps", "default = 30", name="steps"))
    spec = run(made, {"prompt": 'a "cat"\n{{x}}'})
    assert spec.graph["6"]["inputs"]["text"] == 'a "cat"\n{{x}}'
    assert spec.graph["54:3"]["inputs"]["steps"] == 30
    assert made.graph.to_json() == NODES
    assert spec.options == {"prompt": (Target("6", "text"),), "steps": (Target("54:3", "steps"),)}
    assert (spec.workflow, spec.title) == ("test", "Test")


def test_values_are_reported_in_the_order_of_the_manifest() -> None:
    made = workflow(SEED + PROMPT + option("integer", "Canvas.width", name="width"))
    spec = run(made, {"width": 64, "prompt": "x"})
    assert list(spec.values) == ["seed", "prompt", "width"]
    assert spec.values["seed"] == spec.graph["54:3"]["inputs"]["seed"]


def test_one_option_may_fill_several_inputs() -> None:
    both = '[options.both]\nkind = "text"\ndescription = "D"\nbind = ["#6.text", "#7.text"]\n'
    spec = run(workflow(both), {"both": "x"})
    assert (spec.graph["6"]["inputs"]["text"], spec.graph["7"]["inputs"]["text"]) == ("x", "x")
    untouched = run(workflow(both))
    assert untouched.graph == NODES
    assert untouched.values == {"both": "a cat"}


def test_what_is_needed_is_asked_for() -> None:
    empty: list[dict[str, object]] = [{}, {"prompt": None}]
    for nothing in empty:
        assert refusal(PROMPT, nothing) == "**prompt** is required."
    assert refusal(PROMPT, {"prompt": " "}) == "**prompt** must not be empty."


def test_unknown_options_are_refused() -> None:
    assert "Did you mean “prompt”" in refusal(PROMPT, {"promt": "x"})


def test_empty_fields_of_a_form_count_as_not_given() -> None:
    made = workflow(option("integer", "#54:3.steps", "default = 30", name="steps") + SEED)
    spec = run(made, {"steps": "", "seed": " "})
    assert spec.values["steps"] == 30


def test_seeds_are_drawn_by_the_injected_chance_and_reported() -> None:
    assert run(workflow(SEED), chance=7).values == run(workflow(SEED), chance=7).values
    assert run(workflow(SEED), chance=7).values != run(workflow(SEED), chance=8).values


@given(st.integers(0, 2**64 - 1), st.integers())
def test_seeds_are_exact_in_the_graph(seed: int, chance: int) -> None:
    made = workflow(SEED)
    assert run(made, {"seed": str(seed)}).graph["54:3"]["inputs"]["seed"] == seed
    drawn = run(made, chance=chance).values["seed"]
    assert isinstance(drawn, int)
    assert 0 <= drawn < 2**64


def test_the_smallest_range_of_all_bound_seeds_counts() -> None:
    nodes = {"n": {"class_type": "Short", "inputs": {"seed": 1}}}
    both = '[options.seed]\nkind = "seed"\ndescription = "D"\nbind = ["#54:3.seed", "#n.seed"]\n'
    known = definitions(node("Short", seed=whole(0, 3)))
    seeds = {run(workflow(both, **nodes), known=known, chance=chance).values["seed"] for chance in range(40)}
    assert seeds == {0, 1, 2, 3}


def test_server_limits_hold_where_the_author_states_none_or_wider_ones() -> None:
    assert "must be at most 16384" in refusal(option("integer", "Canvas.width"), {"it": 20000})
    assert "must be at least 16" in refusal(option("integer", "Canvas.width", "min = 1"), {"it": 8})
    assert "must be at most 2048" in refusal(option("integer", "Canvas.width", "max = 2048"), {"it": 4096})
    assert run(workflow(option("integer", "Canvas.width")), {"it": 20000}, known=OFFLINE).values == {"it": 20000}


def test_live_choices_are_checked_when_known() -> None:
    assert run(workflow(SAMPLER), {"sampler": "DDIM"}).values == {"sampler": "ddim"}
    assert "Did you mean “dpmpp_2m”" in refusal(SAMPLER, {"sampler": "dpmp_2m"})


def test_offline_plain_names_are_accepted_and_paths_refused() -> None:
    made = workflow(MODEL)
    assert run(made, {"checkpoint": "any thing.ckpt"}, OFFLINE).values == {"checkpoint": "any thing.ckpt"}
    with pytest.raises(InputError, match=r"checkpoint\*\* must be a name from ComfyUI's list"):
        run(made, {"checkpoint": "../../secret"}, OFFLINE)


def test_a_model_left_empty_is_the_graphs_own_or_the_first_there_is() -> None:
    made = workflow(MODEL)
    assert run(made).graph["4"]["inputs"]["ckpt_name"] == "anything.safetensors"
    assert run(made, known=definitions(checkpoints=("a.ckpt", "old.ckpt"))).values == {"checkpoint": "old.ckpt"}
    assert run(made, known=OFFLINE).values == {"checkpoint": "old.ckpt"}
    with pytest.raises(InputError, match=r"checkpoint\*\* can't be used yet: no GPU server offers"):
        run(made, known=definitions(checkpoints=()))


def test_a_default_that_the_servers_lack_gives_way_to_one_that_they_have() -> None:
    strange = definitions(node("KSampler", sampler_name=combo("alpha", "beta")))
    made = workflow(option("choice", "#54:3.sampler_name", 'from = "KSampler.sampler_name"\ndefault = "euler"'))
    assert run(made, known=strange).values == {"it": "alpha"}
    assert run(made).values == {"it": "euler"}
    assert run(made, known=OFFLINE).left_open == {"it": "KSampler.sampler_name"}
    settled = resolve_for_server(run(made, known=OFFLINE), strange)
    assert settled.values == {"it": "alpha"}
    assert settled.graph["54:3"]["inputs"]["sampler_name"] == "alpha"
    given = run(made, {"it": "euler"}, OFFLINE)
    assert resolve_for_server(given, strange) is given, "what a member asked for is not replaced"


def test_pictures_become_uploads() -> None:
    made = workflow(option("image", "#n.image", name="image"), **LOAD)
    spec = run(made, {"image": picture()})
    assert spec.uploads == (Upload(picture(), (Target("n", "image"),)),)
    assert spec.values == {"image": "in-1.png"}
    assert run(made).uploads == ()
    assert refusal(option("image", "#n.image", name="image"), {"image": "/etc/hostname"}, **LOAD) == (
        "**image** must be an image."
    )


def test_a_picture_is_scaled_by_its_own_factor() -> None:
    fitted = option("image", "#n.image", 'fit = "#f.scale_by"\nmax_megapixels = 1.0', name="image")
    nodes = {**LOAD, "f": {"class_type": "ImageScaleBy", "inputs": {"image": ["n", 0], "scale_by": 7.0}}}
    spec = run(workflow(fitted, **nodes), {"image": picture(4096, 1024)})
    assert spec.graph["f"]["inputs"]["scale_by"] == 0.5
    assert spec.options["image"] == (Target("n", "image"), Target("f", "scale_by"))
    assert run(workflow(fitted, **nodes), {"image": picture(64, 64)}).graph["f"]["inputs"]["scale_by"] == 1.0


def test_a_mask_fills_nothing_by_itself() -> None:
    masked = option("image", "#n.image", name="image") + option("image", None, 'mask_of = "image"', name="mask")
    spec = run(workflow(masked, **LOAD), {"image": picture()})
    assert [upload.file for upload in spec.uploads] == [picture()]
    assert spec.options["mask"] == ()


def test_fixed_choices_keep_the_type_of_their_value() -> None:
    sizes = option("choice", "Canvas.width", 'choices = { Small = 64, Large = 1024 }\ndefault = "Small"', name="size")
    assert run(workflow(sizes), {"size": "Large"}).graph["5"]["inputs"]["width"] == 1024
    assert run(workflow(sizes)).values == {"size": 64}


RAW = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@given(
    st.dictionaries(st.sampled_from(["prompt", "seed", "checkpoint", "sampler", "it", "image", "x"]), RAW),
    st.booleans(),
)
def test_anything_given_is_a_run_or_an_input_error(values: dict[str, object], online: bool) -> None:
    options = (
        PROMPT
        + SEED
        + MODEL
        + SAMPLER
        + option("number", "#54:3.cfg", "min = 1")
        + option("image", "#n.image", name="image")
    )
    made = workflow(options, **LOAD)
    with contextlib.suppress(InputError):
        spec = run(made, values, definitions() if online else OFFLINE)
        assert spec.graph.keys() == made.graph.nodes.keys()
        assert spec.graph["n"]["inputs"]["image"] == "example.png"


# ------------------------------------------------------------------ what servers lack


def messages(options: str = "", known: Definitions | None = None, /, **extra: Mapping[str, Any]) -> list[str]:
    made = workflow(options, **extra)
    return [str(message) for message in check(made, definitions() if known is None else known)]


def test_nothing_is_missing_while_no_server_is_known() -> None:
    assert messages(MODEL, OFFLINE) == []


def test_a_missing_node_is_named_once() -> None:
    extra: JsonGraph = {name: {"class_type": "FancyNode", "inputs": {}} for name in "ab"}
    assert messages(MODEL, **extra) == [
        "needs the node “FancyNode”, which no connected ComfyUI server has (used by “FancyNode” (#a), “FancyNode”"
        " (#b)). Install the node pack that provides it, or export the workflow without it."
    ]


def test_a_model_in_the_graph_that_no_option_can_change_is_missing() -> None:
    assert messages() == [
        "needs “old.ckpt” for “ckpt_name” of “CheckpointLoaderSimple”, which no connected ComfyUI server has."
        " Add the file to a server, or add an option of kind “model” for it."
    ]
    assert messages(MODEL) == []


def test_an_empty_live_list_is_told() -> None:
    assert "has no choices: no connected ComfyUI server offers" in messages(MODEL, definitions(checkpoints=()))[0]


def test_defaults_outside_of_the_servers_list_or_limits_are_told() -> None:
    assert "the default of option “sampler” can't be “heun”" in (messages(MODEL + SAMPLER + 'default = "heun"\n')[0])
    wide = node("EmptyLatentImage", width=whole(1024, 2048), height=whole(16, 2048), batch_size=whole(1, 4))
    known = replace(definitions(), nodes={**definitions().nodes, "EmptyLatentImage": wide})
    assert messages(MODEL + option("integer", "Canvas.width"), known) == [
        "the default of option “it” must be at least 1024, not 512."
    ]


def test_fixed_choices_that_the_server_lacks_are_told() -> None:
    fixed = option("choice", "#54:3.scheduler", 'choices = ["normal", "odd"]')
    assert messages(MODEL + fixed) == [
        "the option “it” offers choices that no connected ComfyUI server has: odd. Remove them from “choices”."
    ]


def test_an_input_that_the_servers_node_lacks_is_told() -> None:
    old = node("KSampler", cfg=decimal(0, 1))
    known = replace(definitions(), nodes={**definitions().nodes, "KSampler": old})
    assert (
        "fills “steps” of “Sampler v1.5”, but no connected ComfyUI server has that input"
        in (messages(MODEL + option("integer", "#54:3.steps"), known)[0])
    )


def test_an_output_that_saves_nothing_is_told() -> None:
    assert messages('outputs = ["VAEDecode"]\n' + MODEL) == [
        "outputs: “VAEDecode” doesn't save or show anything. Name a node that does, such as Save Image."
    ]


def test_pictures_in_the_graph_are_looked_for_in_the_top_folder_only() -> None:
    def load(name: str) -> dict[str, object]:
        return {"class_type": "LoadImage", "inputs": {"image": name}}

    assert messages(MODEL, n=load("sub/x.png"), m=load("x.png [output]")) == []
    assert "needs “x.png”" in messages(MODEL, n=load("x.png"))[0]
