"""The four workflows that ship run on stock nodes with any checkpoint of the SD family."""

import json

import pytest

from bot.workflow.library.catalog import Catalog, Workflow
from bot.workflow.run.measure import measure
from bot.workflow.run.prepare import check
from bot.workflow.text_format import tidy
from tests.workflow.samples import (
    OFFLINE,
    SHIPPED,
    definitions,
    picture,
    run,
)

CATALOG = Catalog.load(SHIPPED)
NAMES = ("imagine", "img2img", "inpaint", "upscale")


def given(workflow: Workflow) -> dict[str, object]:
    values: dict[str, object] = {"image": picture(3000, 2000), "prompt": "a cat"}
    return {name: value for name, value in values.items() if name in workflow.manifest.options}


def test_all_load_without_a_problem() -> None:
    assert set(CATALOG.workflows) >= set(NAMES)
    assert CATALOG.problems == ()


@pytest.mark.parametrize("name", NAMES)
def test_they_lack_nothing_on_a_stock_server(name: str) -> None:
    assert check(CATALOG.workflows[name], definitions()) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("online", [True, False])
def test_they_run_with_nothing_but_what_is_needed(name: str, online: bool) -> None:
    workflow = CATALOG.workflows[name]
    spec = run(workflow, given(workflow), definitions() if online else OFFLINE)
    assert json.dumps(spec.graph)
    assert spec.graph[spec.outputs[0]]["class_type"] == "SaveImage"
    assert spec.graph[spec.outputs[0]]["inputs"]["filename_prefix"].startswith("comfycord/%year%-%month%-%day%/")
    if "checkpoint" in spec.values and online:
        assert spec.values["checkpoint"] == "anything.safetensors"


@pytest.mark.parametrize("name", NAMES)
def test_their_limits_lie_within_the_servers(name: str) -> None:
    workflow = CATALOG.workflows[name]
    for option_name, option in workflow.manifest.options.items():
        for limit in (option.minimum, option.maximum):
            if limit is not None:
                values = {**given(workflow), option_name: tidy(limit)}
                assert run(workflow, values).values[option_name] == limit


@pytest.mark.parametrize("name", ["img2img", "inpaint"])
def test_large_pictures_are_painted_at_one_megapixel(name: str) -> None:
    workflow = CATALOG.workflows[name]
    assert 0.99 < measure(run(workflow, given(workflow))).pixels / 2**20 < 1.01
    small = run(workflow, {**given(workflow), "image": picture(300, 200)})
    assert measure(small).pixels == 300 * 200


def test_inpaint_takes_its_mask_from_the_picture_or_from_a_second_one() -> None:
    manifest = CATALOG.workflows["inpaint"].manifest
    assert manifest.mask_for("image") == "mask"
    image = manifest.options["image"]
    assert image.kind == "image"
    assert image.needs_mask


def test_upscale_measures_what_comes_out() -> None:
    spec = run(CATALOG.workflows["upscale"], {"image": picture(300, 200), "factor": 4})
    assert measure(spec).pixels == 1200 * 800


@pytest.mark.parametrize("name", NAMES)
def test_what_is_required_comes_first_and_every_option_says_what_it_does(name: str) -> None:
    options = CATALOG.workflows[name].manifest.ordered_options()
    assert options[0][1].required
    assert all(len(option.description) >= 10 for _name, option in options)
