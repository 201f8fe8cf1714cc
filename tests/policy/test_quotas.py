"""Quotas: what a member has had and is about to get, against what they may have, in sentences that can be acted on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.decision import Allowed, Decision, Refused
from bot.policy.quotas import DAY, WEEK, Usage, admit, quotas
from bot.policy.role_rules import Allowance

NOW = 1_800_000_000.0
FREE = Allowance()


def asked(
    allowance: Allowance = FREE, usage: Usage | None = None, *, seconds: float = 60.0, pictures: int = 1
) -> Decision:
    return admit(allowance, usage or Usage(), seconds=seconds, pictures=pictures, now=NOW)


def refusal(allowance: Allowance, usage: Usage | None = None, *, seconds: float = 60.0, pictures: int = 1) -> str:
    decision = asked(allowance, usage, seconds=seconds, pictures=pictures)
    assert isinstance(decision, Refused)
    text = str(decision.message)
    assert "{" not in text
    return text


def test_without_limits_everything_passes() -> None:
    assert asked(usage=Usage(day_seconds=1e9, pending=10_000, waiting=9999)) == Allowed()


def test_the_last_gpu_minute_may_be_used_but_not_one_more() -> None:
    allowance = Allowance(day_seconds=600.0)
    assert asked(allowance, Usage(day_seconds=540.0)) == Allowed()
    text = refusal(allowance, Usage(day_seconds=541.0, oldest_day=NOW - DAY + 3600.0))
    assert "9.1 of 10 GPU minutes in the last 24 hours" in text
    assert "becomes available in 60 minutes" in text


def test_what_waits_counts_as_if_it_were_used() -> None:
    text = refusal(Allowance(day_seconds=600.0), Usage(day_seconds=300.0, pending_seconds=270.0, pending=2))
    assert "5 of 10 GPU minutes" in text
    assert "need about 4.5" in text


def test_a_week_is_a_limit_of_its_own() -> None:
    usage = Usage(week_seconds=3590.0, oldest_week=NOW - WEEK + 3 * DAY)
    text = refusal(Allowance(day_seconds=600.0, week_seconds=3600.0), usage)
    assert "in the last 7 days" in text
    assert "in 3 days" in text


def test_what_can_never_pass_is_not_put_off() -> None:
    text = refusal(Allowance(day_seconds=30.0))
    assert "another command" in text
    assert "later" not in text
    assert "fewer" in refusal(Allowance(day_pictures=3), pictures=4)


def test_pictures_count_those_that_are_coming() -> None:
    allowance = Allowance(day_pictures=10)
    assert asked(allowance, Usage(day_pictures=4, pending=1, pending_pictures=4), pictures=2) == Allowed()
    text = refusal(allowance, Usage(day_pictures=4, pending=1, pending_pictures=4), pictures=3)
    assert "4 of 10 images in the last 24 hours" in text
    assert "4 more are on their way" in text
    assert isinstance(asked(allowance, Usage(pending=10)), Refused), "each is at least one picture"


def test_the_cooldown_says_how_long_it_lasts() -> None:
    allowance = Allowance(cooldown=60.0)
    assert asked(allowance, Usage(last_asked=NOW - 60.0)) == Allowed()
    assert asked(allowance, Usage()) == Allowed()
    text = refusal(allowance, Usage(last_asked=NOW - 18.5))
    assert "one request every 60 seconds" in text
    assert "wait 42 seconds" in text


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    assert "wait 60 seconds" in refusal(Allowance(cooldown=60.0), Usage(last_asked=NOW + 1e6))


def test_only_so_many_may_wait() -> None:
    allowance = Allowance(waiting=2)
    assert asked(allowance, Usage(waiting=1, running=5)) == Allowed()
    assert "already have 2 requests" in refusal(allowance, Usage(waiting=2))
    assert "until it has started" in refusal(Allowance(waiting=1), Usage(waiting=1))


@pytest.mark.parametrize("name", ["day_seconds", "week_seconds", "day_pictures", "week_pictures"])
def test_nothing_at_all_can_be_allowed(name: str) -> None:
    assert "moderator" in refusal(replace(FREE, **{name: 0}))


amounts = st.floats(0, 1e7)
counts = st.integers(0, 10**6)


@given(
    st.builds(
        Allowance,
        waiting=st.none() | counts,
        day_seconds=st.none() | amounts,
        week_seconds=st.none() | amounts,
        day_pictures=st.none() | counts,
        week_pictures=st.none() | counts,
        cooldown=st.none() | amounts,
    ),
    st.builds(
        Usage,
        day_seconds=amounts,
        week_seconds=amounts,
        day_pictures=counts,
        week_pictures=counts,
        oldest_day=st.just(0.0) | st.floats(NOW - 2 * DAY, NOW + DAY),
        oldest_week=st.just(0.0) | st.floats(NOW - 2 * WEEK, NOW + DAY),
        pending_seconds=amounts,
        pending_pictures=counts,
        pending=counts,
        waiting=counts,
        last_asked=st.just(0.0) | st.floats(NOW - DAY, NOW + DAY),
    ),
    amounts,
    st.integers(1, 100),
)
def test_nobody_gets_more_than_they_may_have_and_every_refusal_can_be_read(
    allowance: Allowance, usage: Usage, seconds: float, pictures: int
) -> None:
    decision = asked(allowance, usage, seconds=seconds, pictures=pictures)
    if isinstance(decision, Refused):
        assert "{" not in str(decision.message)
        return
    for limit, used in (
        (allowance.day_seconds, usage.day_seconds + usage.pending_seconds + seconds),
        (allowance.week_seconds, usage.week_seconds + usage.pending_seconds + seconds),
        (allowance.day_pictures, usage.day_pictures + usage.pending + pictures),
        (allowance.week_pictures, usage.week_pictures + usage.pending_pictures + pictures),
        (allowance.waiting, usage.waiting + 1),
    ):
        assert limit is None or used <= limit
    assert not usage.last_asked or NOW - usage.last_asked >= (allowance.cooldown or 0.0)


@given(amounts, amounts, amounts)
def test_what_is_left_is_exactly_what_still_passes(limit: float, used: float, pending: float) -> None:
    allowance = Allowance(day_seconds=limit)
    usage = Usage(day_seconds=used, pending_seconds=pending)
    left = quotas(allowance, usage).day_seconds.left
    assert left is not None
    assert left >= 0
    assert isinstance(asked(allowance, usage, seconds=left + 1.0), Refused)
    if left > 1.0:
        assert asked(allowance, usage, seconds=left - 1.0) == Allowed()
