import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.values import (
    MAX_SEED,
    AllowedValues,
    Choice,
    read_boolean,
    read_choice,
    read_integer,
    read_live,
    read_number,
    read_seed,
    read_text,
    seed_range,
)

FREE = AllowedValues()
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers(), max_size=2)
)


@given(st.integers(0, MAX_SEED))
def test_seeds_stay_exact_as_text_and_as_number(seed: int) -> None:
    assert read_seed(str(seed), FREE) == seed
    assert read_seed(f"  {seed}\n", FREE) == seed
    assert read_seed(seed, FREE) == seed


@given(
    st.integers(max_value=-1)
    | st.integers(min_value=MAX_SEED + 1)
    | st.floats()
    | st.booleans()
    | st.sampled_from(["1e5", "5.0", "0x10", "1_000", "٣", "seed", "--1", "", "9" * 5000])
)
def test_what_is_no_seed_is_refused_with_the_range(value: object) -> None:
    for raw in (value, str(value)):
        with pytest.raises(RefusedValueError, match="18446744073709551615"):
            read_seed(raw, FREE)


def test_a_server_may_take_shorter_seeds() -> None:
    short = AllowedValues(maximum=2**32 - 1)
    assert seed_range(short) == (0, 2**32 - 1)
    with pytest.raises(RefusedValueError, match="4294967295"):
        read_seed(str(2**32), short)


@given(st.integers(0, MAX_SEED), st.integers(0, MAX_SEED), st.integers())
def test_random_seeds_lie_in_the_range(one: int, other: int, chance: int) -> None:
    limits = AllowedValues(min(one, other), max(one, other))
    low, high = seed_range(limits)
    assert read_seed(random.Random(chance).randint(low, high), limits) >= low


@pytest.mark.parametrize(("raw", "value"), [(8, 8), ("8", 8), (" 8 ", 8), (8.0, 8), ("-3", -3)])
def test_whole_numbers(raw: object, value: int) -> None:
    result = read_integer(raw, FREE)
    assert result == value
    assert type(result) is int


@pytest.mark.parametrize("raw", [True, 8.5, "8.5", "eight", "", None, math.nan, math.inf, 2**60, [8]])
def test_what_is_no_whole_number(raw: object) -> None:
    with pytest.raises(RefusedValueError):
        read_integer(raw, FREE)


@pytest.mark.parametrize(("raw", "value"), [(7, 7.0), ("7.5", 7.5), ("7,5", 7.5), (".5", 0.5), ("-1", -1.0)])
def test_numbers(raw: object, value: float) -> None:
    result = read_number(raw, FREE)
    assert result == value
    assert type(result) is float


@pytest.mark.parametrize("raw", [False, "a", "1e5", "nan", "inf", math.nan, -math.inf, 10**400, None, "."])
def test_what_is_no_number(raw: object) -> None:
    with pytest.raises(RefusedValueError):
        read_number(raw, FREE)


def test_limits_are_told() -> None:
    limits = AllowedValues(1, 50)
    with pytest.raises(RefusedValueError, match="must be at most 50, not 80"):
        read_integer(80, limits)
    with pytest.raises(RefusedValueError, match=r"must be at least 1, not 0\.5"):
        read_number(0.5, limits)


@pytest.mark.parametrize(
    ("value", "advice"), [(500, "496 or 504"), (2047, "2040 or 2048"), (2044, "2040 or 2048"), (61, "64")]
)
def test_steps_name_the_nearest_values(value: int, advice: str) -> None:
    with pytest.raises(RefusedValueError, match=rf"multiple of 8\. Try {advice}"):
        read_integer(value, AllowedValues(60, 2048), 8)


@given(st.integers(-1000, 1000), st.sampled_from([0.1, 0.05, 0.01, 0.25]))
def test_multiples_of_small_steps_pass_in_spite_of_rounding(times: int, step: float) -> None:
    assert read_number(times * step, FREE, step) == times * step


@pytest.mark.parametrize(("raw", "value"), [(True, True), ("Yes", True), ("off", False), ("0", False)])
def test_truth_values(raw: object, value: bool) -> None:
    assert read_boolean(raw) is value


def test_text_loses_what_no_prompt_needs() -> None:
    assert read_text("a\x00b\r\nc\ud800\td\u200d", 20) == "ab\nc\td\u200d"
    with pytest.raises(RefusedValueError, match="can have up to 3 characters, not 4"):
        read_text("abcd", 3)
    with pytest.raises(RefusedValueError):
        read_text(5, 3)


CHOICES = (Choice("Square", "1:1"), Choice("Ten", 10), Choice("1", 2.5))


@pytest.mark.parametrize(
    ("raw", "value"),
    [("Square", "1:1"), ("1:1", "1:1"), ("square", "1:1"), ("Ten", 10), (10, 10), ("10", 10), ("1", 2.5)],
)
def test_choices_by_label_or_value(raw: object, value: object) -> None:
    assert read_choice(raw, CHOICES) == value


def test_a_wrong_choice_is_told_the_right_ones() -> None:
    with pytest.raises(RefusedValueError, match="Did you mean “Square”"):
        read_choice("Sqaure", CHOICES)
    with pytest.raises(RefusedValueError, match="Square, Ten, 1"):
        read_choice("zzzzz", CHOICES)


LIVE = AllowedValues(live=("euler", "SDXL/base.safetensors", "A", "a"))


def test_live_choices() -> None:
    assert read_live("Euler", LIVE) == "euler"
    assert read_live("a", LIVE) == "a"
    with pytest.raises(RefusedValueError, match="Did you mean “euler”"):
        read_live("eulr", LIVE)
    with pytest.raises(RefusedValueError, match="no GPU server offers"):
        read_live("euler", AllowedValues(live=()))


@pytest.mark.parametrize(
    "name", ["euler", "SDXL/base v1.0.safetensors", "sub\\model.ckpt", "dpm++ 2m", "模型.pt", "..x"]
)
def test_plain_names_pass_while_no_server_is_known(name: str) -> None:
    assert read_live(name, FREE) == name


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../b",
        "..",
        ".",
        "a/..",
        "a\\..\\b",
        "./x",
        "/etc/passwd",
        "\\x",
        "~/x",
        "C:\\x",
        "a\0b",
        "a [output]",
        "",
        5,
    ],
)
def test_paths_do_not_pass(name: object) -> None:
    with pytest.raises(RefusedValueError):
        read_live(name, FREE)


@given(ANYTHING)
@example("0\x1f")  # white space to str.strip(), not to int()
def test_nothing_but_a_value_or_a_refusal_comes_back(raw: object) -> None:
    readers = (
        lambda: read_integer(raw, FREE, 8),
        lambda: read_number(raw, AllowedValues(0, 5), 0.5),
        lambda: read_boolean(raw),
        lambda: read_seed(raw, FREE),
        lambda: read_text(raw, 10).encode(),
        lambda: read_choice(raw, CHOICES),
        lambda: read_live(raw, FREE).encode(),
    )
    for reader in readers:
        try:
            reader()
        except RefusedValueError as refusal:
            assert str(refusal)  # noqa: PT017 -- a value is as good
