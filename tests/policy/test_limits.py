import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.decision import AdmissionRequest, Allowed, Refused
from bot.policy.limits import Limits, review
from bot.workflow.run.measure import RunSize

LIMITS = Limits()


def sized(width: int = 1024, height: int = 1024, *, count: int = 1, steps: int = 20) -> RunSize:
    return RunSize(width, height, width * height, count, steps)


def request(size: RunSize | None = None, *, waiting: int = 0, text_length: int = 0) -> AdmissionRequest:
    return AdmissionRequest(size=size or sized(), waiting=waiting, text_length=text_length)


def refusal(asked: AdmissionRequest, limits: Limits = LIMITS) -> str:
    decision = review(asked, limits)
    assert isinstance(decision, Refused)
    return str(decision.message)


@pytest.mark.parametrize(
    "size",
    [
        sized(),
        RunSize(),
        sized(count=8, steps=50),
        sized(4096, 4096, steps=0),  # a megapixel, enlarged four times
        sized(4096, 4096, steps=50),  # the same behind a sampler
        sized(8192, 512),
        sized(512, 512, steps=150),
    ],
)
def test_usual_requests_pass(size: RunSize) -> None:
    assert review(request(size), LIMITS) == Allowed()


def test_a_size_that_is_too_large_names_one_that_is_not() -> None:
    text = refusal(request(sized(16_384, 8192)))
    assert "16384 × 8192" in text
    assert "16.8 MP" in text
    assert "5792 × 2896" in text


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_size_that_is_offered_passes(width: int, height: int) -> None:
    decision = review(request(sized(width, height, steps=1)), LIMITS)
    if isinstance(decision, Refused):
        offered = re.search(r"for example (\d+) × (\d+)", str(decision.message))
        assert offered is not None
        fine = sized(int(offered[1]), int(offered[2]), steps=1)
        assert review(request(fine), LIMITS) == Allowed()


def test_a_side_that_is_too_long() -> None:
    assert "8192 px per side" in refusal(request(sized(8200, 8)))


def test_steps() -> None:
    text = refusal(request(sized(steps=151)))
    assert "151" in text
    assert "limit of 150" in text


def test_count() -> None:
    assert "limit is 8" in refusal(request(sized(count=9)))
    assert "limit is 1." in refusal(request(sized(count=2)), replace(LIMITS, max_count=1))


def test_many_large_pictures_are_offered_in_smaller_numbers() -> None:
    text = refusal(request(sized(2048, 2048, count=8, steps=50)))
    assert "Up to 4 images" in text
    assert review(request(sized(2048, 2048, count=4, steps=50)), LIMITS) == Allowed()


def test_one_picture_with_too_many_steps_for_its_size() -> None:
    text = refusal(request(sized(4096, 4096, steps=60)))
    assert "with 50 steps" in text
    assert review(request(sized(4096, 4096, steps=50)), LIMITS) == Allowed()


def test_work_without_steps_counts_too() -> None:
    assert "smaller size" in refusal(request(sized(steps=0)), replace(LIMITS, max_work=1000))


@given(
    st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9)
)
def test_every_refusal_can_be_read(width: int, height: int, count: int, steps: int, waiting: int) -> None:
    decision = review(request(sized(width, height, count=count, steps=steps), waiting=waiting), LIMITS)
    if isinstance(decision, Refused):
        assert "{" not in str(decision.message)


def test_long_texts() -> None:
    assert review(request(text_length=2000), LIMITS) == Allowed()
    text = refusal(request(text_length=2001))
    assert "2001" in text
    assert "limit is 2000" in text


def test_waiting_jobs() -> None:
    assert review(request(waiting=99), LIMITS) == Allowed()
    text = refusal(request(waiting=100))
    assert "limit: 100" in text
    assert "wait until" in text
    assert "the limit is 1" in refusal(request(waiting=1), replace(LIMITS, max_waiting_per_member=1))
