import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import InputError
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.manifest.manifest import (
    RESERVED_NAMES,
    Manifest,
    require_command_name,
    require_name,
)
from bot.workflow.manifest.options import (
    KINDS,
    ChoiceOption,
    ImageOption,
    IntegerOption,
    TextOption,
)
from bot.workflow.manifest.values import Choice
from tests.workflow.samples import manifest, option, picture


def complaints(text: str | bytes) -> list[str]:
    with pytest.raises(WorkflowError) as caught:
        Manifest.parse(text.encode() if isinstance(text, str) else text, "imagine.toml")
    assert all(line.startswith("imagine.toml: ") for line in str(caught.value.user_message).splitlines())
    return [str(reason) for reason in caught.value.reasons]


HEAD = 'schema = 1\ntitle = "T"\ndescription = "D"\n'


def test_attributes_are_the_same_on_every_kind() -> None:
    read = manifest(
        option("text", "a.b", name="one")
        + option("integer", "a.b", "min = 1\nmax = 9\ndefault = 3", name="two")
        + option("number", "a.b", name="three")
        + option("boolean", "a.b", name="four")
        + option("seed", "a.b", "default = 18446744073709551615", name="five")
        + option("choice", "a.b", 'choices = { "Big one" = 9, Small = "s" }', name="six")
        + option("model", "a.b", 'from = "Loader.name"', name="seven")
        + option("image", "a.b", name="eight")
    )
    for each in read.options.values():
        assert each.kind in KINDS
        assert each.description == "Something"
        assert each.required is False
        uniform = (each.default, each.minimum, each.maximum, each.choices, each.source, each.max_length)
        assert len(uniform) == 6
    assert (read.options["two"].minimum, read.options["two"].maximum, read.options["two"].default) == (1, 9, 3)
    assert read.options["five"].default == 2**64 - 1
    assert read.options["six"].choices == (Choice("Big one", 9), Choice("Small", "s"))
    assert read.options["seven"].source == "Loader.name"
    assert read.options["one"].max_length == 2000


def test_required_options_come_first_else_the_order_of_the_file() -> None:
    read = manifest(
        option("text", "a.b", name="a")
        + option("text", "a.b", "required = true", name="b")
        + option("text", "a.b", name="c")
        + option("text", "a.b", "required = true", name="d")
    )
    assert [name for name, _option in read.ordered_options()] == ["b", "d", "a", "c"]
    assert list(read.options) == ["a", "b", "c", "d"]


def test_bind_is_one_text_or_a_list() -> None:
    read = manifest('[options.x]\nkind = "text"\ndescription = "D"\nbind = ["a.b", "c.d"]\n')
    assert read.options["x"].bind == ("a.b", "c.d")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "schema: is missing"),
        (HEAD + "colour = 1", "colour: unknown key"),
        (HEAD + 'grahp = "x.json"', "Did you mean “graph”"),
        ("schema = 2\n" + HEAD[11:], "schema: is 2, but this bot only supports up to 1"),
        (HEAD.replace('"D"', '"' + "d" * 101 + '"'), "description: can have at most 100 characters"),
        (HEAD.replace('"D"', '""'), "description: must not be empty"),
        (HEAD + 'graph = "../x.json"', "graph: must be the name of a .json file"),
        (HEAD + 'graph = "/x.json"', "graph: "),
        (HEAD + 'graph = "a\\\\b.json"', "graph: "),
        (HEAD + 'graph = "x.toml"', "graph: "),
        (HEAD + "options = 5", "options: must be a table"),
        (HEAD + "[options]\nx = 5", "[options.x]"),
        (HEAD + "[options.x]", "[options.x]: kind is missing"),
        (HEAD + option("txt", "a.b"), "[options.it]: “txt” is unknown. Did you mean “text”"),
        (HEAD + option("zzz", "a.b"), "Use one of: text, integer"),
        (HEAD + option("text", None), "[options.it] bind: is missing"),
        (HEAD + option("text", "a.b", "max_lenght = 5"), "[options.it] max_lenght: “max_lenght” is unknown. Did you"),
        (HEAD + option("text", "a.b", "max_length = 6001"), "max_length: must be at most 6000"),
        (HEAD + option("text", "a.b", "default = 5"), "default: must be text"),
        (HEAD + option("text", "a.b", 'max_length = 2\ndefault = "abc"'), "default: can have up to 2 characters"),
        (HEAD + option("integer", "a.b", "min = 1.5"), "[options.it] min: must be a whole number"),
        (HEAD + option("integer", "a.b", 'min = "1"'), "[options.it] min: must be a whole number"),
        (HEAD + option("integer", "a.b", "min = 5\nmax = 1"), "min: must not be greater than max"),
        (HEAD + option("integer", "a.b", "max = 5\ndefault = 6"), "default: must be at most 5, not 6"),
        (HEAD + option("integer", "a.b", "step = 8\ndefault = 12"), "Try 8 or 16"),
        (HEAD + option("integer", "a.b", "step = 0"), "step: must be at least 1"),
        (HEAD + option("number", "a.b", "max = nan"), "max: "),
        (HEAD + option("number", "a.b", "max = inf"), "max: "),
        (HEAD + option("boolean", "a.b", 'default = "yes"'), "default: must be true or false"),
        (HEAD + option("seed", "a.b", "default = -1"), "18446744073709551615"),
        (HEAD + option("seed", "a.b", "default = 1.5"), "default: must be text or a number"),
        (HEAD + option("choice", "a.b"), "needs either choices"),
        (HEAD + option("choice", "a.b", 'choices = ["a"]\nfrom = "A.b"'), "needs either choices"),
        (HEAD + option("choice", "a.b", 'choices = ["a", "a"]'), "must be unique"),
        (HEAD + option("choice", "a.b", 'choices = ["a", ""]'), "label of 1 to 100 characters"),
        (HEAD + option("choice", "a.b", "choices = [[1]]"), "each choice must be"),
        (HEAD + option("choice", "a.b", "choices = 5"), "must be a list of values"),
        (HEAD + option("choice", "a.b", f"choices = {list(range(26))}"), "at most 25 are allowed"),
        (HEAD + option("choice", "a.b", 'choices = ["a"]\ndefault = "b"'), "default: can't be “b”"),
        (HEAD + option("choice", "a.b", 'from = "KSampler"'), "from: must look like “Class.input”"),
        (HEAD + option("model", "a.b"), "from: is missing"),
        (HEAD + option("image", None), "needs either bind, or mask_of"),
        (HEAD + option("image", "a.b", 'mask_of = "x"'), "needs either bind, or mask_of"),
        (HEAD + option("image", "a.b", 'fit = "a.c"'), "must be set together"),
        (HEAD + option("image", None, 'mask_of = "it"'), "there is no image option “it”"),
        (HEAD + option("image", None, 'mask_of = "zz"'), "there is no image option “zz”"),
        (HEAD + option("text", "a.b", name='"Big"'), "“Big” must be lowercase"),
        (HEAD + option("text", "a.b", name='"a b"'), "letters, digits, - or _"),
        (HEAD + option("text", "a.b", name=f'"{"x" * 33}"'), "1 to 32"),
        (HEAD + "".join(option("text", "a.b", name=f"o{n}") for n in range(101)), "options: at most 100 are allowed"),
        (
            HEAD + "".join(option("text", "a.b", "required = true", name=f"o{n}") for n in range(26)),
            "at most 24 can be required",
        ),
        (HEAD + "idle_limit = 4", "idle_limit: must be at least 5"),
        (HEAD + "idle_limit = 86401", "idle_limit: must be at most 86400"),
        (HEAD + "idle_limit = inf", "idle_limit: must be a finite number"),
        (HEAD + "vram = 0", "vram: must be more than 0"),
        (HEAD + "vram = 1025", "vram: must be at most 1024"),
        (HEAD + 'vram = "12 GB"', "vram: must be a number"),
        (HEAD + 'idle_limit = "600"', "idle_limit: must be a number"),
        ("a = ", "is not valid TOML"),
        (b"\xff\xfea", "UTF-8"),
        ("\x00", "is not valid TOML"),
        ("a = " + "[" * 2000, "cannot be read"),
        ("a = " + "9" * 5000, "cannot be read"),
        (b"#" * 70000, "too large"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str | bytes, hint: str) -> None:
    assert any(hint in line for line in complaints(text)), complaints(text)


@pytest.mark.parametrize(("text", "limit"), [("", 600.0), ("idle_limit = 5\n", 5.0), ("idle_limit = 90.5\n", 90.5)])
def test_a_run_may_be_silent_for_ten_minutes_or_as_long_as_its_author_says(text: str, limit: float) -> None:
    assert Manifest.parse((HEAD + text).encode(), "imagine.toml").idle_limit == limit


def test_all_mistakes_are_told_at_once() -> None:
    found = complaints(HEAD.replace("title", "titel") + option("text", "a.b", "requird = true\nmax_length = 0"))
    assert [line.split(":")[0] for line in found] == [
        "title",
        "[options.it] max_length",
        "[options.it] requird",
        "titel",
    ]


def test_a_command_longer_than_discord_takes_is_refused() -> None:
    labels = json.dumps([f"{n:02}" + "x" * 90 for n in range(25)])
    long = "".join(option("choice", "a.b", f"choices = {labels}", name=f"o{n}") for n in range(2))
    assert "8000 characters" in complaints(HEAD + long)[0]


def test_a_picture_has_one_mask() -> None:
    masked = option("image", "a.b", name="image") + option("image", None, 'mask_of = "image"', name="mask")
    read = manifest(masked)
    assert read.mask_for("image") == "mask"
    assert read.mask_for("mask") is None
    assert "already has a mask" in complaints(HEAD + masked + option("image", None, 'mask_of = "image"', name="m2"))[0]


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_the_bots_own_commands_are_taken(name: str) -> None:
    with pytest.raises(ValueError, match="one of the bot's own commands"):
        require_command_name(name)


@given(st.text(max_size=40))
def test_names_pass_only_as_discord_takes_them(name: str) -> None:
    with contextlib.suppress(RefusedValueError):
        require_name(name)
        assert 1 <= len(name) <= 32
        assert name == name.lower()
        assert not any(char.isspace() or char in "/.\\:@#<>`" for char in name)


def test_parse_names_the_option() -> None:
    steps = IntegerOption.model_validate({"kind": "integer", "description": "D", "max": 9, "bind": "a.b"})
    assert steps.parse("steps", "7") == 7
    with pytest.raises(InputError, match=r"^\*\*steps\*\* must be at most 9"):
        steps.parse("steps", 10)


def test_required_text_must_say_something() -> None:
    prompt = TextOption.model_validate({"kind": "text", "description": "D", "required": True, "bind": "a.b"})
    with pytest.raises(InputError, match="must not be empty"):
        prompt.parse("prompt", "  ")


def test_a_live_choice_takes_a_default_that_only_a_server_can_judge() -> None:
    data = {"kind": "choice", "description": "D", "from": "KSampler.sampler_name", "default": "euler", "bind": "a.b"}
    assert ChoiceOption.model_validate(data).parse("sampler", "dpmpp_2m") == "dpmpp_2m"


@pytest.mark.parametrize(("size", "factor"), [((64, 64), 1.0), ((1024, 1024), 1.0), ((2048, 2048), 0.5)])
def test_pictures_are_made_smaller_never_larger(size: tuple[int, int], factor: float) -> None:
    data = {"kind": "image", "description": "D", "bind": "a.b", "fit": "a.c", "max_megapixels": 1}
    assert ImageOption.model_validate(data).fit_factor(picture(*size)) == factor


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(sorted(KINDS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OPTION_KEYS = ["description", "required", "bind", "default", "min", "max", "step", "from", "choices", "max_length"]
OPTION = st.fixed_dictionaries(
    {}, optional={"kind": st.sampled_from(sorted(KINDS)) | VALUES} | dict.fromkeys(OPTION_KEYS, VALUES)
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "schema": st.just(1) | VALUES,
            "title": VALUES,
            "description": VALUES,
            "graph": VALUES,
            "outputs": VALUES,
            "options": st.dictionaries(st.text(max_size=6), OPTION | VALUES, max_size=3) | VALUES,
            "other": VALUES,
        },
    )
)
def test_any_table_is_a_manifest_or_sentences(data: dict[str, Any]) -> None:
    with contextlib.suppress(WorkflowError):
        assert Manifest.read(data, "imagine.toml").title


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_file_is_a_manifest_or_sentences(data: bytes) -> None:
    with contextlib.suppress(WorkflowError):
        assert Manifest.parse(data, "imagine.toml").title
