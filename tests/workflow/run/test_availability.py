"""What a workflow requires of one server."""

import pytest

from bot.workflow.graph.definitions import Definitions
from bot.workflow.manifest.sections import Requires
from bot.workflow.run.availability import unmet
from tests.workflow.samples import definitions, node

BASE = definitions()
FLUX = definitions(checkpoints=("FLUX/Flux1-dev.safetensors",))
SOURCE = "CheckpointLoaderSimple.ckpt_name"


def requires(**tables: object) -> Requires:
    return Requires.model_validate(tables)


def test_nothing_required_is_always_met() -> None:
    assert unmet(requires(), []) is None


def test_nobody_has_told_yet() -> None:
    assert "waiting for the first GPU server" in str(unmet(requires(nodes=["KSampler"]), [Definitions()]))


def test_patterns_look_at_names_with_folders_in_any_case() -> None:
    needs = requires(models={SOURCE: "*flux*"})
    assert unmet(needs, [BASE, FLUX]) is None
    assert str(unmet(needs, [BASE])) == (
        "no GPU server has everything it needs. Missing: a model that matches “*flux*” for"
        " “CheckpointLoaderSimple.ckpt_name”."
    )


def test_one_server_must_have_all_of_it() -> None:
    needs = requires(models={SOURCE: ["*flux*", "*schnell*"]}, nodes={"FaceDetailer": "Impact Pack"})
    with_node = definitions(node("FaceDetailer"))
    told = str(unmet(needs, [with_node, FLUX]))
    assert "Missing: a model that matches" in told
    assert unmet(needs, [with_node, definitions(node("FaceDetailer"), checkpoints=("flux",))]) is None
    assert "the node “FaceDetailer” (install Impact Pack)" in str(unmet(needs, [FLUX]))


@pytest.mark.parametrize("source", ["nodot", "Nowhere.ckpt_name"])
def test_a_list_that_no_server_has(source: str) -> None:
    if source == "nodot":
        with pytest.raises(ValueError, match="must look like"):
            requires(models={source: "*"})
    else:
        assert unmet(requires(models={source: "*"}), [BASE]) is not None
