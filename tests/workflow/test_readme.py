"""What the page for authors shows works as it says."""

import json
import re
import tomllib

import pytest

from bot.workflow.errors import WorkflowError
from bot.workflow.graph.graph import Graph
from bot.workflow.manifest.manifest import RESERVED_NAMES, Manifest
from bot.workflow.manifest.options import KINDS
from bot.workflow.workflow import Workflow
from tests.workflow.samples import (
    NODES,
    SHIPPED,
    definitions,
    option,
    run,
    workflow,
)

PAGE = (SHIPPED / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def untitled() -> Graph:
    """Return the graph that the page describes: the tests' own, without titles, its sampler at the top."""
    text = json.dumps({key: {part: node[part] for part in ("class_type", "inputs")} for key, node in NODES.items()})
    return Graph.parse(text.replace("54:3", "3"), "example.json")


def test_the_worked_example_works() -> None:
    manifest = Manifest.parse(EXAMPLES[0].encode(), "example.toml")
    made = Workflow.build("example", manifest, untitled(), "example.toml")
    spec = run(made, {"prompt": "a cat", "shape": "Wide"}, definitions())
    assert spec.graph["6"]["inputs"]["text"] == "a cat"
    assert spec.graph["5"]["inputs"]["width"] == 768


@pytest.mark.parametrize("example", EXAMPLES[1:])
def test_every_piece_is_a_valid_table(example: str) -> None:
    head = {"schema": 1, "title": "T", "description": "D"}
    assert Manifest.read({**head, **tomllib.loads(example)}, "example.toml").options


def test_every_kind_key_and_reserved_name_is_explained() -> None:
    keys = {field.alias or name for kind in KINDS.values() for name, field in kind.model_fields.items()}
    keys |= {field.alias or name for name, field in Manifest.model_fields.items()} - {"options"}
    assert [word for word in keys | KINDS.keys() | RESERVED_NAMES if f"`{word}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        (
            option("text", "CLIPTextEncode.text"),
            "names several inputs. Use one of #6.text, #7.text",
        ),
        (
            option("integer", "Sampler v1.5.steps", "max = 10"),
            "the graph's own value, which is used when",
        ),
    ],
)
def test_errors_are_quoted_as_they_are(options: str, quoted: str) -> None:
    assert quoted in PAGE
    with pytest.raises(WorkflowError) as caught:
        workflow(options)
    assert quoted in str(caught.value.user_message)
