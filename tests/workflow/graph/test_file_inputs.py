from collections.abc import Mapping
from typing import Any

import pytest

from bot.workflow.errors import WorkflowError
from bot.workflow.graph.input_names import is_media_input
from tests.workflow.samples import option, workflow

LOADERS = {
    "LoadImage": "image",
    "LoadImageMask": "image",
    "LoadImageOutput": "image",
    "LoadAudio": "audio",
    "LoadVideo": "file",
    "VHS_LoadVideo": "video",
    "VHS_LoadVideoPath": "video",
    "VHS_LoadImages": "directory",
    "Load3D": "model_file",
    "Image Load": "image_path",
    "LoadImageFromUrl": "url",
    "SaveImage": "filename_prefix",
    "VHS_VideoCombine": "filename_prefix",
    "SaveText": "root_dir",
    "CheckpointLoaderSimple": "ckpt_name",
    "LoraLoader": "lora_name",
}


def reasons(options: str, **extra: Mapping[str, Any]) -> str:
    with pytest.raises(WorkflowError) as caught:
        workflow(options, **extra)
    return str(caught.value.user_message)


@pytest.mark.parametrize(("class_type", "input_name"), LOADERS.items())
def test_text_never_names_a_file(class_type: str, input_name: str) -> None:
    node = {"class_type": class_type, "inputs": {input_name: "x"}}
    message = reasons(option("text", f"#n.{input_name}"), n=node)
    assert message.startswith("test.toml: [options.it] bind: ")
    assert "takes a file name" in message


@pytest.mark.parametrize(
    ("class_type", "input_name"),
    [("CLIPTextEncode", "text"), ("PrimitiveString", "value"), ("KSampler", "sampler_name"), ("X", "profile")],
)
def test_prompts_are_no_files(class_type: str, input_name: str) -> None:
    assert not is_media_input(class_type, input_name)
    assert workflow(option("text", f"#n.{input_name}"), n={"class_type": class_type, "inputs": {input_name: "x"}})


def test_text_does_not_reach_a_file_over_nodes_that_hand_it_on() -> None:
    nodes = {
        "a": {"class_type": "PrimitiveString", "inputs": {"value": "x"}},
        "b": {"class_type": "StringConcatenate", "inputs": {"string_a": ["a", 0], "string_b": "y"}},
        "c": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": ["b", 0]}},
    }
    assert "“filename_prefix” of “SaveImage”" in reasons(option("text", "#a.value"), **nodes)


def test_text_ends_where_it_is_encoded() -> None:
    nodes = {"c": {"class_type": "SaveStrange", "inputs": {"file": ["8", 0]}}}
    assert workflow(option("text", "#6.text"), **nodes)


def test_a_circle_of_links_comes_to_an_end() -> None:
    nodes = {
        "a": {"class_type": "Join", "inputs": {"value": "x", "other": ["b", 0]}},
        "b": {"class_type": "Join", "inputs": {"value": "y", "other": ["a", 0]}},
    }
    assert workflow(option("text", "#a.value"), **nodes)


LOAD = {"n": {"class_type": "LoadImage", "inputs": {"image": "example.png"}}}


@pytest.mark.parametrize("kind", ["choice", "model"])
def test_live_lists_neither_show_nor_fill_uploaded_files(kind: str) -> None:
    assert "that others uploaded" in reasons(option(kind, "Canvas.width", 'from = "LoadImage.image"\nrequired = true'))
    live = 'from = "CheckpointLoaderSimple.ckpt_name"\nrequired = true'
    assert "takes a file name" in reasons(option(kind, "#n.image", live), **LOAD)


def test_pictures_fixed_lists_and_models_may_name_files() -> None:
    assert workflow(option("image", "#n.image"), **LOAD)
    assert workflow(option("choice", "#n.image", 'choices = ["example.png"]'), **LOAD)
    assert workflow(option("model", "#4.ckpt_name", 'from = "CheckpointLoaderSimple.ckpt_name"'))
