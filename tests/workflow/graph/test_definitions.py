import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.workflow.graph.definitions import Definitions

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


# ------------------------------------------------------------------ several servers as one


def changed(**inputs: object) -> Definitions:
    """Return another server, on which the sampler is another."""
    sampler = {"input": {"required": {"seed": ["INT"], **inputs}}, "output_node": True}
    return Definitions.parse({**OBJECT_INFO, "KSampler": sampler, "Mine": {"input": {}}})


def test_together_servers_have_all_nodes_and_choices_in_order_of_appearance(definitions: Definitions):
    both = Definitions.merged([definitions, changed(sampler_name=[["lcm", "heun"]])])

    assert list(both.nodes) == [*OBJECT_INFO, "Mine"]
    assert both.choices("KSampler.sampler_name") == ("euler", "heun", "lcm")
    assert both.nodes["KSampler"].is_output


def test_together_the_widest_limits_hold(definitions: Definitions):
    other = changed(cfg=["FLOAT", {"min": -1.0, "max": 30.0}])
    both = Definitions.merged([definitions, other])
    cfg, seed = both.input("KSampler", "cfg"), both.input("KSampler", "seed")

    assert cfg is not None
    assert seed is not None
    assert (cfg.minimum, cfg.maximum) == (-1.0, 100.0)
    assert (seed.minimum, seed.maximum) == (None, None)


def test_together_only_what_all_require_is_required(definitions: Definitions):
    both = Definitions.merged([definitions, changed(strength=["FLOAT"])])
    needed = {name: each.required for name, each in both.nodes["KSampler"].inputs.items()}

    assert needed == {
        "strength": False, "model": False, "seed": True, "cfg": False, "sampler_name": False,
    }  # fmt: skip


def test_servers_that_are_alike_or_have_told_nothing_need_no_merging(definitions: Definitions):
    assert Definitions.merged([]) == Definitions()
    assert Definitions.merged([Definitions(), definitions]) is definitions
    assert Definitions.merged([definitions, Definitions.parse(OBJECT_INFO)]) == definitions


@pytest.mark.parametrize(
    ("spec", "is_closed"),
    [
        ([["a", "b"]], True),
        ([[]], True),  # a folder without models
        (["COMBO", {"options": ["a"]}], True),
        (["COMBO", {"options": []}], True),
        (["COMBO"], False),  # the browser fills it
        (["COMBO", {"options": ["a", {"key": "b"}]}], False),
        (["COMBO", {"options": {"a": 1}}], False),
        (["STRING", {"options": ["a"]}], False),
        (["INT"], False),
    ],
)
def test_lists_that_a_server_insists_on_are_told_from_others(spec: object, is_closed: bool):
    parsed = Definitions.parse({"Node": {"input": {"required": {"x": spec}}}}).input("Node", "x")

    assert parsed is not None
    assert parsed.is_closed is is_closed


# ------------------------------------------------------------------ as it is stored


def test_what_is_stored_comes_back(definitions: Definitions):
    stored = definitions.to_json()

    assert Definitions.from_json(stored) == definitions
    assert stored.isascii()


def test_a_list_that_many_nodes_share_is_stored_once():
    loaders = {f"Loader{n}": {"input": {"required": {"x": [["a.safetensors"] * 50]}}} for n in range(20)}

    assert Definitions.parse(loaders).to_json().count("a.safetensors") == 50


def test_the_fingerprint_tells_any_change_and_no_order(definitions: Definitions):
    turned = Definitions.parse(dict(reversed(OBJECT_INFO.items())))
    others = [Definitions(), changed(), Definitions.parse({**OBJECT_INFO, "SaveImage": {"input": {}}})]

    assert turned.fingerprint == definitions.fingerprint
    assert len({each.fingerprint for each in (definitions, *others)}) == 4


@settings(deadline=None, max_examples=50)
@given(JSON)
def test_whatever_a_server_says_can_be_stored(value: object):
    odd = {
        "Node": value,
        "\x00\ud800": {"input": {"required": {"x": ["INT", {"default": value, "min": 1}], "y": value}}},
    }
    parsed = Definitions.parse(odd)
    back = Definitions.from_json(parsed.to_json())

    assert list(back.nodes) == sorted(parsed.nodes)
    assert back.fingerprint == parsed.fingerprint


@settings(deadline=None, max_examples=50)
@given(JSON)
def test_whatever_is_stored_can_be_read(value: object):
    Definitions.from_plain(value)
    Definitions.from_plain({"lists": value, "nodes": {"a": value, "b": [1, {"x": value, "y": ["INT", 1, value]}]}})


@pytest.mark.parametrize("text", ["", "nonsense", "[" * 100_000, "1" * 5000, "null"])
def test_what_is_no_json_gives_nothing(text: str):
    assert Definitions.from_json(text) == Definitions()
