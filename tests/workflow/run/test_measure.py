import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.graph.graph import JsonGraph, Target
from bot.workflow.run.measure import RunSize, measure
from bot.workflow.run.spec import RunSpec, Upload
from tests.workflow.samples import NODES, picture


def spec(nodes: JsonGraph, outputs: tuple[str, ...] = (), width: int = 0, height: int = 0) -> RunSpec:
    uploads = (Upload(picture(width, height), (Target("in", "image"),)),) if width else ()
    return RunSpec("test", "Test", nodes, uploads, outputs)


def node(class_type: str, **inputs: object) -> dict[str, object]:
    return {"class_type": class_type, "inputs": inputs}


IN = node("LoadImage", image="x.png")


def test_text_to_image() -> None:
    assert measure(spec(NODES, ("9",))) == RunSize(512, 512, 512 * 512, 1, 20)


def test_the_biggest_size_on_the_way_counts() -> None:
    nodes = {
        **NODES,
        "5": node("EmptyLatentImage", width=512, height=768, batch_size=2),
        "a": node("LatentUpscaleBy", samples=["54:3", 0], scale_by=2.0),
        "b": node("KSampler", steps=10, latent_image=["a", 0]),
        "c": node("RepeatLatentBatch", samples=["b", 0], amount=3),
        "d": node("ImageScale", image=["c", 0], width=64, height=64),
    }
    assert measure(spec(nodes, ("d",))) == RunSize(1024, 1536, 1024 * 1536, 6, 30)


def test_a_picture_counts_as_what_is_made_of_it() -> None:
    shrunk = {"in": IN, "f": node("ImageScaleToTotalPixels", image=["in", 0], megapixels=1.0)}
    assert measure(spec(shrunk, width=4096, height=4096)) == RunSize(1024, 1024, 1024 * 1024)
    doubled = {"in": IN, "f": node("ImageScaleBy", image=["in", 0], scale_by=2.0)}
    assert measure(spec(doubled, width=100, height=50)) == RunSize(200, 100, 20000)
    by_model = {"in": IN, "m": node("UpscaleModelLoader"), "f": node("X", image=["in", 0], upscale_model=["m", 0])}
    assert measure(spec(by_model, width=100, height=50)).width == 400
    wider = {"in": IN, "f": node("ImagePadForOutpaint", image=["in", 0], left=10, right=20, top=0, bottom=5)}
    assert measure(spec(wider, width=100, height=50)).pixels == 130 * 55
    longest = {"in": IN, "f": node("ImageScaleToMaxDimension", image=["in", 0], largest_size=50)}
    assert measure(spec(longest, width=100, height=50)) == RunSize(50, 25, 1250)
    one_side = {"in": IN, "f": node("ImageScale", image=["in", 0], width=200, height=0)}
    assert measure(spec(one_side, width=100, height=50)) == RunSize(200, 100, 20000)


def test_masks_have_no_size_of_their_own() -> None:
    nodes = {
        "in": IN,
        "f": node("ImageScaleBy", image=["in", 0], scale_by=0.5),
        "s": node("SetLatentNoiseMask", samples=["f", 0], mask=["in", 1]),
    }
    assert measure(spec(nodes, width=100, height=50)).pixels == 1250


def test_numbers_may_come_from_other_nodes() -> None:
    nodes = {
        "w": node("PrimitiveInt", value=640),
        "h": node("INTConstant", number=["w", 0]),
        "e": node("EmptyLatentImage", width=["w", 0], height=["h", 0], batch_size=1),
        "k": node("KSamplerAdvanced", steps=["s", 0], start_at_step=0, end_at_step=12, latent_image=["e", 0]),
        "l": node("KSamplerAdvanced", steps=["s", 0], start_at_step=12, end_at_step=10000, latent_image=["k", 0]),
        "s": node("PrimitiveInt", value=20),
    }
    assert measure(spec(nodes)) == RunSize(640, 640, 640 * 640, 1, 20)


def test_hints_for_text_encoders_are_no_canvas() -> None:
    nodes = {"t": node("CLIPTextEncodeSDXL", width=4096, height=4096, target_width=4096, target_height=4096)}
    assert measure(spec(nodes)) == RunSize()


def test_all_shown_outputs_are_counted() -> None:
    nodes = {
        "a": node("EmptyLatentImage", width=8, height=8, batch_size=2),
        "b": node("EmptyLatentImage", width=8, height=8, batch_size=3),
        "x": node("SaveImage", images=["a", 0]),
        "y": node("SaveImage", images=["b", 0]),
    }
    assert measure(spec(nodes, ("x", "y"))).count == 5
    assert measure(spec(nodes, ("x",))).count == 2
    assert measure(spec(nodes)).count == 3


@pytest.mark.parametrize("nodes", [{}, {"a": node("X", image=["a", 0])}, {"a": node("X", image=["gone", 0])}])
def test_odd_graphs_have_no_size(nodes: JsonGraph) -> None:
    assert measure(spec(nodes)) == RunSize()


NUMBER = st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=3)
LINK = st.tuples(st.sampled_from(["a", "b", "c", "in"]), st.integers(0, 2)).map(list)
NAMES = ["width", "height", "batch_size", "amount", "scale_by", "megapixels", "largest_size", "steps", "end_at_step"]
NODE = st.builds(
    lambda cls, inputs: node(cls, **inputs),
    st.sampled_from(["KSampler", "ImagePadForOutpaint", "X"]),
    st.dictionaries(st.sampled_from([*NAMES, "image", "mask", "upscale_model", "left", "value"]), NUMBER | LINK),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "in"]), NODE), st.integers(0, 10**6), st.integers(0, 10**6))
def test_any_graph_has_a_finite_size(nodes: JsonGraph, width: int, height: int) -> None:
    size = measure(spec(nodes, ("a",), width, height))
    assert all(isinstance(value, int) and value >= 0 for value in dataclasses.astuple(size))
