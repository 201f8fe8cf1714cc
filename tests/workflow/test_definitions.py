import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.definitions import Definitions

OBJECT_INFO = {
    "KSampler": {
        "input": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}],
                "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0}],
                "sampler_name": [["euler", "heun"], {"tooltip": "how"}],
            },
            "optional": {"strength": ["FLOAT", {"min": 0.5, "max": float("inf")}]},
            "hidden": {"prompt": "PROMPT"},
        },
        "output_node": False,
    },
    "SaveImage": {"input": {"required": {"images": ["IMAGE"]}}, "output_node": True},
    "CaseConverter": {"input": {"required": {"mode": ["COMBO", {"options": ["UPPERCASE", "lowercase"]}]}}},
    "Sizes": {"input": {"required": {"size": [[512, 1024], {"default": 512}]}}},
    "pack.Loader": {"input": {"required": {"lora.name": [["a.safetensors"]]}}},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@pytest.fixture
def definitions() -> Definitions:
    return Definitions.parse(OBJECT_INFO)


def test_a_seed_keeps_its_limit_to_the_last_digit(definitions: Definitions):
    seed = definitions.input("KSampler", "seed")

    assert seed is not None
    assert (seed.type, seed.minimum, seed.maximum, seed.default) == ("INT", 0, 18446744073709551615, 0)


def test_choices_are_read_in_both_notations(definitions: Definitions):
    classic, v3 = definitions.input("KSampler", "sampler_name"), definitions.input("CaseConverter", "mode")

    assert classic is not None
    assert v3 is not None
    assert (classic.type, classic.choices) == ("COMBO", ("euler", "heun"))
    assert (v3.type, v3.choices) == ("COMBO", ("UPPERCASE", "lowercase"))


def test_numbers_among_choices_become_text(definitions: Definitions):
    assert definitions.choices("Sizes.size") == ("512", "1024")


def test_optional_inputs_are_marked_and_hidden_ones_left_out(definitions: Definitions):
    strength = definitions.input("KSampler", "strength")

    assert strength is not None
    assert not strength.required
    assert definitions.input("KSampler", "prompt") is None


def test_an_infinite_limit_is_none(definitions: Definitions):
    strength = definitions.input("KSampler", "strength")

    assert strength is not None
    assert (strength.minimum, strength.maximum) == (0.5, None)


def test_output_nodes_are_known(definitions: Definitions):
    assert {name for name, node in definitions.nodes.items() if node.is_output} == {"SaveImage"}


def test_choices_by_source_allow_dots_in_names(definitions: Definitions):
    assert definitions.choices("pack.Loader.lora.name") == ("a.safetensors",)


@pytest.mark.parametrize("source", ["", ".", "KSampler", "KSampler.", "KSampler.nope", "Nope.seed"])
def test_unknown_sources_have_no_choices(definitions: Definitions, source: str):
    assert definitions.choices(source) == ()


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "INT",
        [],
        [None],
        [7, {}],
        {},
        [["a"], None],
        ["INT", []],
        ["COMBO", {"options": {"a": 1}}],
        [[{"key": 1}]],
    ],
)
def test_specs_of_unknown_shape_never_raise(spec: object):
    parsed = Definitions.parse({"Odd": {"input": {"required": {"x": spec, "fine": ["INT"]}}}})

    assert parsed.input("Odd", "fine") is not None


@given(JSON)
def test_any_json_is_survived(value: object):
    Definitions.parse({"Node": value, "Other": {"input": value}, "Third": {"input": {"required": value}}})


def test_a_whole_answer_that_is_no_object_gives_nothing():
    assert Definitions.parse([1, 2]).nodes == {}  # pyright: ignore[reportArgumentType]: a hostile answer
