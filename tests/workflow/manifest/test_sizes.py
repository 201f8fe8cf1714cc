"""Sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.sizes import MEGAPIXEL, Size, read_size
from bot.workflow.manifest.values import AllowedValues

LIMITS = AllowedValues(minimum=64, maximum=2048)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024x768", (1024, 768)),
        (" 1024 × 768 px", (1024, 768)),
        ("1024 768", (1024, 768)),
        ("1024*768", (1024, 768)),
        ("1:1", (1024, 1024)),
        ("16/9", (1368, 768)),
        ("2.39:1", (1584, 664)),
    ],
)
def test_a_size_can_be_written_in_many_ways(text: str, size: tuple[int, int]) -> None:
    assert read_size(text, LIMITS, 8, 1.0) == Size(*size)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a size such as 1024x768"),
        ("big", "must be a size such as 1024x768"),
        ("0:1", "must be a size"),
        ("32x512", "at least 64 pixels per side, not 32"),
        ("4096x512", "at most 2048 pixels per side, not 4096"),
        ("100x512", "Try 96 or 104 instead of 100"),
        ("99999:1", "must be a size"),
        ("9999:1", "pixels"),
    ],
)
def test_what_is_no_size_is_explained(text: str, words: str) -> None:
    with pytest.raises(RefusedValueError, match=words):
        read_size(text, LIMITS, 8, 1.0)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 16, 64]), st.sampled_from([0.25, 1.0, 2.0]))
def test_a_ratio_becomes_about_as_many_pixels_as_are_usual(wide: int, high: int, step: int, megapixels: float) -> None:
    size = read_size(f"{wide}:{high}", AllowedValues(), step, megapixels)
    assert size.width % step == size.height % step == 0
    if min(size) > 8 * step:
        assert size.width * size.height == pytest.approx(megapixels * MEGAPIXEL, rel=0.13)
        assert size.width / size.height == pytest.approx(wide / high, rel=0.13)
