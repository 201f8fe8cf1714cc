"""What a draft finds in a graph that nobody wrote a word about."""

import json
from copy import deepcopy
from typing import Any

import pytest

from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.importer.draft import Draft, draft
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.naming import command_name, option_name, title_of, unique
from bot.workflow.manifest.manifest import Manifest, require_command_name
from bot.workflow.manifest.options import ImageOption
from tests.workflow.importer.samples import PAIRS
from tests.workflow.samples import (
    NODES,
    OFFLINE,
    SHIPPED,
    combo,
    decimal,
    definitions,
    node,
    whole,
)

KNOWN = definitions()
FLUX: dict[str, Any] = {
    "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors", "weight_dtype": "default"}},
    "2": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "t5.safetensors", "clip_name2": "l.safetensors"}},
    "3": {"class_type": "CLIPTextEncodeFlux", "inputs": {
        "clip": ["2", 0], "clip_l": "a fox", "t5xxl": "a fox in the snow", "guidance": 3.5}},
    "4": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0], "conditioning": ["3", 0]}},
    "5": {"class_type": "RandomNoise", "inputs": {"noise_seed": ["11", 0]}},
    "6": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "7": {"class_type": "BasicScheduler", "inputs": {
        "model": ["1", 0], "scheduler": "simple", "steps": 20, "denoise": 1.0}},
    "8": {"class_type": "EmptySD3LatentImage", "inputs": {"width": ["12", 0], "height": 768, "batch_size": 1}},
    "9": {"class_type": "SamplerCustomAdvanced", "inputs": {
        "noise": ["5", 0], "guider": ["4", 0], "sampler": ["6", 0], "sigmas": ["7", 0], "latent_image": ["8", 0]}},
    "10": {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "x"}},
    "11": {"class_type": "PrimitiveInt", "inputs": {"value": 42}, "_meta": {"title": "Chance"}},
    "12": {"class_type": "PrimitiveInt", "inputs": {"value": 1024}, "_meta": {"title": "Breadth"}},
}  # fmt: skip
"""The family of custom samplers: every setting in a node of its own, two of them in boxes of numbers."""


def changed(**inputs: Any) -> dict[str, Any]:
    """Return the stock graph with other inputs, by `node__input`; "S" is the sampler."""
    graph: dict[str, Any] = deepcopy(NODES)
    for place, value in inputs.items():
        node_id, name = place.split("__")
        graph[{"S": "54:3"}.get(node_id, node_id.removeprefix("n"))]["inputs"][name] = value
    return graph


def options_of(made: Draft) -> dict[str, Any]:
    return dict(made.workflow.manifest.options)


def binds(graph: dict[str, Any], known: Definitions = KNOWN, **more: Any) -> dict[str, tuple[str, ...]]:
    return {name: option.bind for name, option in draft(graph, known, **more).workflow.manifest.options.items()}


def told(made: Draft) -> str:
    return "\n".join(map(str, made.notes))


@pytest.mark.parametrize("name", ["imagine", "img2img", "inpaint", "upscale"])
@pytest.mark.parametrize("known", [KNOWN, OFFLINE])
def test_the_shipped_graphs_give_the_shipped_options(name: str, known: Definitions) -> None:
    written = Manifest.parse((SHIPPED / f"{name}.toml").read_bytes(), name)
    made = draft(json.loads((SHIPPED / f"{name}.json").read_bytes()), known, name=name)
    found = options_of(made)

    assert list(found) == list(written.options)
    assert made.workflow.manifest.outputs == written.outputs
    for option_name_, option in written.options.items():
        other = found[option_name_]
        assert (other.kind, other.bind, other.required, other.source) == (
            option.kind, option.bind, option.required, option.source,
        )  # fmt: skip
        assert other.default == option.default
        if isinstance(option, ImageOption):
            assert (other.fit, other.needs_mask, other.mask_of) == (option.fit, option.needs_mask, option.mask_of)


def test_custom_samplers_are_understood() -> None:
    assert binds(FLUX, OFFLINE) == {
        "prompt": ("CLIPTextEncodeFlux.clip_l", "CLIPTextEncodeFlux.t5xxl"),
        "width": ("Breadth.value",),
        "height": ("EmptySD3LatentImage.height",),
        "count": ("EmptySD3LatentImage.batch_size",),
        "steps": ("BasicScheduler.steps",),
        "guidance": ("CLIPTextEncodeFlux.guidance",),
        "sampler": ("KSamplerSelect.sampler_name",),
        "scheduler": ("BasicScheduler.scheduler",),
        "seed": ("Chance.value",),
        "model": ("UNETLoader.unet_name",),
    }


def test_models_that_are_no_option_are_named() -> None:
    assert "t5.safetensors, l.safetensors" in told(draft(FLUX, OFFLINE))


def test_titles_are_used_where_only_one_node_has_them() -> None:
    found = binds(NODES)
    assert (found["prompt"], found["negative"]) == (("#6.text",), ("#7.text",))
    assert found["width"] == ("Canvas.width",)
    assert found["seed"] == ("#54:3.seed",)  # “Sampler v1.5” has a dot


def test_sides_are_kept_apart_behind_nodes_that_pass_both() -> None:
    control = {"control_net": "x", "strength": 0.8}
    graph = changed(S__positive=["c", 0], S__negative=["c", 1]) | {
        "c": {
            "class_type": "ControlNetApplyAdvanced",
            "inputs": {"positive": ["7", 0], "negative": ["6", 0], **control},
        }
    }
    found = binds(graph)
    assert (found["prompt"], found["negative"]) == (("#7.text",), ("#6.text",))
    assert found["control_strength"] == ("ControlNetApplyAdvanced.strength",)


def test_a_guider_of_two_conditions_and_a_negative_one_has_both_sides() -> None:
    graph = deepcopy(FLUX) | {
        "4": {"class_type": "DualCFGGuider", "inputs": {"cond1": ["a", 0], "cond2": ["a", 0], "negative": ["b", 0]}},
        "a": {"class_type": "CLIPTextEncode", "inputs": {"text": "make it snow", "clip": ["2", 0]}},
        "b": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["2", 0]}},
    }
    found = binds(graph, OFFLINE)
    assert (found["prompt"], found["negative"]) == (("#a.text",), ("#b.text",))


def test_a_text_for_an_area_comes_after_the_one_for_the_whole() -> None:
    box = {"text": "sun", "conditioning_to": ["6", 0], "clip": ["4", 1], "width": 64, "height": 64}
    found = binds(changed(S__positive=["box", 0]) | {"box": {"class_type": "GLIGENTextBoxApply", "inputs": box}})
    assert (found["prompt"], found["prompt_2"]) == (("#6.text",), ("GLIGENTextBoxApply.text",))


def test_what_is_emptied_is_no_negative_prompt() -> None:
    zero = {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}}
    assert "negative" not in binds(changed(S__negative=["z", 0]) | {"z": zero})


def test_text_is_found_through_nodes_that_put_it_together() -> None:
    graph = changed(n6__text=["j", 0]) | {
        "j": {"class_type": "StringConcatenate", "inputs": {
            "string_a": ["t", 0], "string_b": ", masterpiece, best quality, many words more", "delimiter": ""}},
        "t": {"class_type": "PrimitiveString", "inputs": {"value": "a cat"}, "_meta": {"title": "Words"}},
    }  # fmt: skip
    assert binds(graph)["prompt"] == ("Words.value",)


def test_the_text_of_a_second_pass_goes_with_the_first() -> None:
    again = deepcopy(NODES["54:3"]["inputs"]) | {"latent_image": ["54:3", 0], "positive": ["r", 0], "denoise": 0.5}
    graph = changed(n8__samples=["again", 0]) | {
        "again": {"class_type": "KSampler", "inputs": again | {"steps": 8}, "_meta": {"title": "Again"}},
        "r": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat, sharp", "clip": ["4", 1]}},
    }
    found = binds(graph)
    assert found["prompt"] == ("#6.text", "#r.text")
    assert found["seed"] == ("#54:3.seed", "Again.seed")
    assert found["cfg"] == ("#54:3.cfg", "Again.cfg")
    assert (found["steps"], found["steps_2"]) == (("#54:3.steps",), ("Again.steps",))
    assert found["denoise"] == ("Again.denoise",)


def test_steps_stay_above_the_one_at_which_samplers_take_turns() -> None:
    base = {name: value for name, value in NODES["54:3"]["inputs"].items() if name != "seed"}
    turns = {"noise_seed": 1, "start_at_step": 0, "end_at_step": 15}
    graph = changed() | {"54:3": {"class_type": "KSamplerAdvanced", "inputs": base | turns}}
    option = options_of(draft(graph, OFFLINE))["steps"]
    assert (option.minimum, option.maximum) == (16, 60)


def test_limits_are_wide_enough_for_the_graph_and_narrow_enough_for_the_server() -> None:
    small = node("EmptyLatentImage", width=whole(16, 1000), height=whole(16, 16384), batch_size=whole(1, 4096))
    made = options_of(draft(changed(n5__height=4096, S__cfg=0.5, S__steps=100), definitions(small)))
    assert (made["width"].minimum, made["width"].maximum) == (64, 1000)
    assert (made["height"].maximum, made["cfg"].minimum, made["steps"].maximum) == (4096, 0.5, 100)


def test_an_input_that_is_no_list_on_the_server_is_no_choice() -> None:
    odd = node("KSampler", sampler_name=decimal(0, 1), scheduler=combo("normal"))
    found = binds(NODES, definitions(odd))
    assert "sampler" not in found
    assert "scheduler" in found


def test_several_pictures_are_attachments_of_their_own() -> None:
    def load(title: str) -> dict[str, Any]:
        return {"class_type": "LoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": title}}

    graph: JsonGraph = changed() | {
        "a": load("Face"),
        "b": load("Pose"),
        "both": {"class_type": "Join", "inputs": {"image1": ["a", 0], "image2": ["b", 0], "model": ["4", 0]}},
    }
    graph["54:3"]["inputs"]["model"] = ["both", 0]
    made = options_of(draft(graph, KNOWN))
    assert [(name, option.bind) for name, option in made.items() if option.kind == "image"] == [
        ("image", ("Face.image",)),
        ("image_2", ("Pose.image",)),
    ]
    assert "Face" in made["image"].description


def test_a_lora_comes_with_its_strength() -> None:
    lora = {"lora_name": "x.safetensors", "strength_model": 0.8, "strength_clip": 0.8, "model": ["4", 0]}
    graph = changed(S__model=["l", 0]) | {"l": {"class_type": "LoraLoader", "inputs": lora}}
    found = binds(graph)
    assert found["lora"] == ("LoraLoader.lora_name",)
    assert found["lora_strength"] == ("LoraLoader.strength_model", "LoraLoader.strength_clip")


def loading(*nodes: tuple[str, str, str, str], sink: str) -> dict[str, Any]:
    """Return a graph whose loaders (class, input, file, what it is for) all feed one node that makes the result."""
    graph: dict[str, Any] = {
        str(at): {"class_type": kind, "inputs": {name: file}} for at, (kind, name, file, _use) in enumerate(nodes)
    }
    fed = {use: [str(at), 0] for at, (_kind, _name, _file, use) in enumerate(nodes)}
    graph["make"] = {"class_type": sink, "inputs": fed}
    graph["save"] = {"class_type": "SaveVideo", "inputs": {"video": ["make", 0], "filename_prefix": "x"}}
    return graph


def test_pictures_without_titles_are_told_apart_by_what_they_are_for() -> None:
    graph = loading(
        ("LoadImage", "image", "b.png", "end_image"), ("LoadImage", "image", "a.png", "start_image"), sink="Between"
    )
    found = options_of(draft(graph, OFFLINE))
    assert [(name, option.bind, option.description) for name, option in found.items()] == [
        ("image", ("#1.image",), "The image for “start image”"),
        ("image_2", ("#0.image",), "The image for “end image”"),
    ]


def test_films_and_sounds_are_attachments_too() -> None:
    graph = loading(
        ("LoadVideo", "file", "a.mp4", "video"),
        ("LoadAudio", "audio", "a.mp3", "audio"),
        ("VHS_LoadVideoPath", "video", "/data/a.mp4", "other"),
        sink="Dub",
    )
    made = draft(graph, OFFLINE)
    assert [(name, option.kind, option.bind, option.required) for name, option in options_of(made).items()] == [
        ("video", "video", ("LoadVideo.file",), True),
        ("audio", "audio", ("LoadAudio.audio",), True),
    ]
    assert "members cannot attach this kind of file" in told(made)


def test_the_size_is_that_of_what_other_latents_are_laid_on() -> None:
    graph = changed(S__latent_image=["laid", 0]) | {
        "small": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 64, "batch_size": 1}},
        "part": {"class_type": "KSampler", "inputs": NODES["54:3"]["inputs"] | {"latent_image": ["small", 0]}},
        "laid": {
            "class_type": "LatentComposite",
            "inputs": {"samples_from": ["part", 0], "samples_to": ["5", 0], "x": 0, "y": 0, "feather": 0},
        },
    }
    assert binds(graph)["width"] == ("Canvas.width",)


def test_a_film_is_as_large_as_the_empty_picture_that_it_is_measured_by() -> None:
    sizes = {"width": ["size", 0], "height": ["size", 1]}
    graph = changed() | {
        "5": {"class_type": "EmptyLTXVLatentVideo", "inputs": sizes | {"length": 97, "batch_size": 1}},
        "size": {"class_type": "GetImageSize", "inputs": {"image": ["blank", 0]}},
        "blank": {"class_type": "EmptyImage", "inputs": {"width": 768, "height": 512, "batch_size": 1, "color": 0}},
    }
    found = binds(graph)
    assert (found["width"], found["height"]) == (("EmptyImage.width",), ("EmptyImage.height",))
    assert found["length"] == ("EmptyLTXVLatentVideo.length",)


def test_sides_may_be_told_by_other_names() -> None:
    inputs = dict(NODES["54:3"]["inputs"])
    inputs |= {"conditioning": inputs.pop("positive"), "neg_conditioning": inputs.pop("negative")}
    found = binds(changed() | {"54:3": {"class_type": "PackSampler", "inputs": inputs}})
    assert (found["prompt"], found["negative"]) == (("#6.text",), ("#7.text",))


def test_what_to_avoid_never_becomes_the_prompt() -> None:
    graph = changed(S__positive=["zero", 0]) | {
        "zero": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["7", 0]}}
    }
    found = binds(graph)
    assert "prompt" not in found
    assert found["negative"] == ("#7.text",)


def test_switches_are_followed_where_the_graph_sets_them() -> None:
    def switch(is_on: bool, off: Any, on: Any) -> dict[str, Any]:
        return {"class_type": "ComfySwitchNode", "inputs": {"switch": is_on, "on_false": off, "on_true": on}}

    graph = changed(n6__text=["words", 0], S__steps=["steps", 0]) | {
        "words": switch(False, ["short", 0], ["long", 0]),
        "short": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
        "long": {"class_type": "PrimitiveString", "inputs": {"value": "a fox in the snow, at dawn"}},
        "steps": switch(True, ["few", 0], ["many", 0]),
        "few": {"class_type": "PrimitiveInt", "inputs": {"value": 4}},
        "many": {"class_type": "PrimitiveInt", "inputs": {"value": 30}},
    }
    found = binds(graph)
    assert found["prompt"] == ("#short.value",)
    assert found["steps"] == ("#many.value",)


@pytest.mark.parametrize("is_masked", [False, True])
def test_a_pass_over_a_part_has_a_text_of_its_own(is_masked: bool) -> None:
    between = {"samples": ["54:3", 0]} | ({"mask": ["m", 0]} if is_masked else {"scale_by": 1.5})
    graph: JsonGraph = changed() | {
        "text": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "curly hair"}},
        "m": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}},
        "between": {"class_type": "SetLatentNoiseMask" if is_masked else "LatentUpscaleBy", "inputs": between},
        "again": {
            "class_type": "KSampler",
            "inputs": NODES["54:3"]["inputs"] | {"positive": ["text", 0], "latent_image": ["between", 0]},
        },
    }
    graph["8"]["inputs"]["samples"] = ["again", 0]
    found = binds(graph)
    if is_masked:
        assert (found["prompt"], found["prompt_2"]) == (("#6.text",), ("#text.text",))
    else:
        assert found["prompt"] == ("#6.text", "#text.text")


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ("SaveVideo", "Turn an image into a video"),
        ("SaveAudio", "Turn an image into audio"),
        ("SaveGLB", "Turn an image into a 3D model"),
    ],
)
def test_the_description_says_what_is_made(sink: str, words: str) -> None:
    graph = loading(("LoadImage", "image", "a.png", "start_image"), sink="Make")
    graph["save"] = {"class_type": sink, "inputs": {"it": ["make", 0]}}
    assert draft(graph, OFFLINE).workflow.manifest.description.startswith(words)


def test_what_the_result_does_not_depend_on_is_left_alone() -> None:
    other = {"class_type": "KSampler", "inputs": deepcopy(NODES["54:3"]["inputs"]) | {"seed": 7}}
    assert binds(changed() | {"other": other}) == binds(NODES) | {
        "sampler": ("#54:3.sampler_name",)  # “KSampler” was the title of nobody before
    }


def test_what_discord_has_no_place_for_is_asked_for_in_a_form() -> None:
    graph = changed()
    for at in range(30):
        graph[f"p{at}"] = {
            "class_type": "ETN_Parameter",
            "inputs": {"name": f"Value {at}", "type": "text", "default": "x"},
        }
    made = draft(graph, KNOWN)
    assert len(options_of(made)) == 41
    assert len(made.workflow.manifest.slash_options()) == 24, "and one opens the form"
    assert {"value_29", "cfg"} <= {name for name, _option in made.workflow.manifest.advanced_options()}


def test_no_more_is_required_than_discord_takes() -> None:
    graph = changed()
    for at in range(30):
        graph[f"p{at}"] = {"class_type": "ETN_Parameter", "inputs": {"name": f"Value {at}", "type": "image"}}
        graph[f"l{at}"] = {"class_type": "LoadImage", "inputs": {"image": f"{at}.png"}}
        graph[f"s{at}"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": [f"l{at}", 0]}}
    made = draft(graph, KNOWN)
    assert sum(option.required for option in options_of(made).values()) == 24
    assert "Discord allows 25 options; kept fixed: " in told(made)


def test_a_prompt_longer_than_discord_takes_is_no_obstacle() -> None:
    assert binds(changed(n6__text="x" * 9000))["prompt"] == ("#6.text",)


def test_an_option_that_cannot_be_is_left_out_with_its_reason() -> None:
    made = draft(changed(n7__text="x" * 9000), KNOWN)
    assert "negative" not in options_of(made)
    assert "Skipped: [options.negative]" in told(made)


def test_a_graph_without_anything_to_set_says_so() -> None:
    graph = {"1": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}, "2": {"class_type": "X", "inputs": {}}}
    made = draft(graph, OFFLINE)
    assert options_of(made) == {}
    assert "No options found" in told(made)


@pytest.mark.parametrize("graph", [{}, {"1": {"inputs": {}}}, {"1": {"class_type": "X", "inputs": {"a": ["9", 0]}}}])
def test_what_is_no_graph_is_a_sentence(graph: dict[str, Any]) -> None:
    with pytest.raises(WorkflowImportError):
        draft(graph, KNOWN)


def test_nodes_that_reach_beyond_the_graph_are_warned_about() -> None:
    graph = changed(n9__filename_prefix="../../x") | {
        "r": {"class_type": "RunPythonScript", "inputs": {"code": "1"}},
        "l": {"class_type": "LoadImageFromPath", "inputs": {"path": "/etc/passwd"}},
        "m": {"class_type": "CheckpointSave", "inputs": {"filename_prefix": "x"}},
    }
    warnings = list(map(str, draft(graph, KNOWN).warnings))
    assert [each.split(":")[0] for each in warnings] == [
        "Runs code on the ComfyUI server",
        "Writes models or files on the ComfyUI server",
        "Reads files or addresses named in the graph",
        "Uses paths outside ComfyUI's own folders",
    ]
    assert draft(NODES, KNOWN).warnings == ()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("Flux Dev.v2", "flux_dev_v2"), ("queue", "queue_workflow"), ("", "my_workflow"), ("提示词", "提示词"),
        ("../../etc", "etc"), ("MyPortrait", "my_portrait"), ("x" * 50, "x" * 32), ("İstanbul ①", "i_stanbul_1"),
    ],
)  # fmt: skip
def test_any_file_name_gives_a_command_name(given: str, made: str) -> None:
    assert command_name(given) == made
    require_command_name(made)


@pytest.mark.parametrize(
    ("given", "made"), [("class", "class_"), ("interaction", "interaction_"), ("2x", "option_2x"), ("!?", "value")]
)
def test_option_names_are_no_words_that_mean_something_else(given: str, made: str) -> None:
    assert option_name(given) == made


def test_numbered_names_stay_short_enough() -> None:
    assert unique("x" * 32, {"x" * 32}) == "x" * 30 + "_2"
    assert title_of("my_portrait") == "My portrait"


def test_a_title_cannot_break_out_of_the_manifest() -> None:
    graph = deepcopy(NODES)
    graph["6"]["_meta"] = {"title": '"]\n[options.evil]\nkind = "text"'}
    graph["9"]["_meta"] = {"title": "Speichern \x7f “€”"}
    made = draft(graph, KNOWN)
    assert "evil" not in options_of(made)


def test_pairs_of_the_editor_can_be_drafted() -> None:
    made = [draft(pair["api"], KNOWN, document=pair["ui"], name=name) for name, pair in PAIRS.items()]
    assert sum("seed" in options_of(each) for each in made) > len(made) / 3
