"""Amounts as people read and type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.time_text import (
    DAY,
    HOUR,
    MINUTE,
    minutes,
    read_span,
    span,
)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("30m", 30 * MINUTE),
        (" 2 H ", 2 * HOUR),
        ("1d", DAY),
        ("1h30m", 1.5 * HOUR),
        ("1h 30m", 1.5 * HOUR),
        ("90s", 90.0),
        ("5min", 5 * MINUTE),
        ("2w", 14 * DAY),
        ("30", None),
        ("", None),
        ("soon", None),
        ("1h and a bit", None),
        ("-1h", None),
        ("1.5h", None),
        ("١h", None),
    ],
)
def test_lengths_of_time_are_read(typed: str, seconds: float | None) -> None:
    assert read_span(typed) == seconds


@given(st.text(max_size=30))
def test_anything_may_be_typed(typed: str) -> None:
    seconds = read_span(typed)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1 second"),
        (1.0, "1 second"),
        (42.1, "43 seconds"),
        (90.0, "90 seconds"),
        (91.0, "2 minutes"),
        (3600.0, "60 minutes"),
        (2.5 * HOUR, "3 hours"),
        (3 * DAY, "3 days"),
    ],
)
def test_waits_are_rounded_up(seconds: float, text: str) -> None:
    assert str(span(seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0"), (0.1, "0.1"), (30.0, "0.5"), (540.0, "9"), (541.0, "9.1"), (6e8, "10000000"), (-1.0, "0")],
)
def test_gpu_minutes_are_never_shown_as_less_than_they_are(seconds: float, text: str) -> None:
    assert minutes(seconds) == text
