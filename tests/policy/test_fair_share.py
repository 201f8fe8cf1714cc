"""Fair share: who used least is next, use fades, weights count, and nobody waits for ever."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.fair_share import (
    AFFINITY,
    AFFINITY_SECONDS,
    HALF_LIFE,
    NO_USAGE_SCORE,
    STARVATION_LIMIT,
    Candidate,
    Share,
    order,
)
from tests.benchmarks.fairness import Community, FairShare, Order, checkpoints, jain, mixed_hour, simulate, two_guilds

SECONDS = st.floats(0.1, 1e5)
TIMES = st.floats(1.7e9, 2.5e9)


def candidate(account: str, share: Share, **changes: object) -> Candidate:
    plain = Candidate(account=account, guild="g", score=share.score, guild_score=0.0, waits_since=2e9)
    return replace(plain, **changes)  # type: ignore[arg-type]


def names(*candidates: Candidate, now: float = 2e9) -> list[str]:
    return [each.account for each in order(candidates, now)]


def test_who_used_nothing_comes_first() -> None:
    used = Share().charged(10.0, weight=1.0, now=1e9)
    assert Share().score == NO_USAGE_SCORE
    assert names(candidate("heavy", used), candidate("new", Share())) == ["new", "heavy"]


@given(st.lists(st.tuples(SECONDS, TIMES), min_size=1, max_size=8), TIMES)
def test_scores_order_people_as_their_faded_use_does(uses: list[tuple[float, float]], now: float) -> None:
    later = max([now, *(at for _, at in uses)])
    shares = [Share().charged(seconds, weight=1.0, now=at) for seconds, at in uses]
    for one in shares:
        for other in shares:
            if one.now(later) > other.now(later) * 1.001 and other.now(later) > 1e-6:
                assert one.score > other.score


@given(SECONDS, TIMES, st.floats(0, 10 * HALF_LIFE))
def test_waiting_changes_no_score(seconds: float, at: float, wait: float) -> None:
    share = Share().charged(seconds, weight=1.0, now=at)
    refreshed = Share(share.now(at + wait), at + wait)
    assert refreshed.score == pytest.approx(share.score, abs=1e-6)


def test_half_is_forgotten_in_a_half_life() -> None:
    share = Share().charged(100.0, weight=1.0, now=1e9)
    assert share.now(1e9 + HALF_LIFE) == pytest.approx(50.0)


def test_twice_the_weight_is_twice_the_time_for_the_same_share() -> None:
    assert Share().charged(100.0, weight=2.0, now=1e9) == Share().charged(50.0, weight=1.0, now=1e9)


@given(SECONDS, SECONDS, TIMES)
def test_a_refund_takes_back_what_was_charged(before: float, cost: float, at: float) -> None:
    share = Share().charged(before, weight=1.0, now=at)
    refunded = share.charged(cost, weight=1.0, now=at).charged(-cost, weight=1.0, now=at)
    assert refunded.used == pytest.approx(share.used, rel=1e-6, abs=1e-6)
    assert share.charged(-1e9, weight=1.0, now=at).used == 0.0


def test_guilds_come_before_members() -> None:
    small = candidate("b", Share().charged(50, weight=1, now=1e9), guild="quiet", guild_score=1.0)
    large = candidate("a", Share(), guild="busy", guild_score=2.0)
    assert names(large, small) == ["b", "a"]


def test_a_loaded_model_is_worth_a_little() -> None:
    share = Share().charged(100.0, weight=1.0, now=1e9)
    close = candidate("close", share, score=share.score + AFFINITY / 2, is_loaded=True)
    far = candidate("far", share, score=share.score + AFFINITY * 2, is_loaded=True)
    much = candidate("much", share, used=AFFINITY_SECONDS + 1, is_loaded=True, score=share.score + 0.1)
    assert names(candidate("other", share), close, far, much) == ["close", "other", "much", "far"]


def test_among_equals_the_loaded_model_decides() -> None:
    share = Share().charged(100.0, weight=1.0, now=1e9)
    assert names(candidate("a", share), candidate("b", share, is_loaded=True)) == ["b", "a"]
    assert names(candidate("a", Share()), candidate("b", Share(), is_loaded=True)) == ["b", "a"]


def test_a_loaded_model_overtakes_nobody_who_is_new_or_has_waited_for_too_long() -> None:
    light = candidate("light", Share().charged(1e-6, weight=1.0, now=2e9), is_loaded=True)
    assert names(candidate("new", Share()), light) == ["new", "light"]
    share = Share().charged(100.0, weight=1.0, now=1e9)
    patient = candidate("patient", share, score=share.score + 0.5, waits_since=2e9 - STARVATION_LIMIT - 1)
    assert names(candidate("loaded", share, is_loaded=True), patient) == ["patient", "loaded"]


def test_a_loaded_model_gives_no_guild_more_than_its_share() -> None:
    share = Share().charged(100.0, weight=1.0, now=1e9)
    loaded = candidate("loaded", share, guild="a", guild_score=1.1, is_loaded=True)
    assert names(loaded, candidate("other", share, guild="b", guild_score=1.0)) == ["other", "loaded"]


def test_those_who_are_alike_are_served_in_the_order_in_which_they_came() -> None:
    late, early = candidate("a", Share(), waits_since=2e9 - 1), candidate("b", Share(), waits_since=2e9 - 2)
    assert names(late, early) == ["b", "a"]


def test_nobody_is_passed_over_for_ever() -> None:
    heavy = candidate("heavy", Share().charged(1e6, weight=0.1, now=1e9), waits_since=2e9 - STARVATION_LIMIT - 1)
    assert names(candidate("new", Share()), heavy) == ["heavy", "new"]


def test_the_moderators_lane_is_served_first() -> None:
    old = candidate("member", Share(), waits_since=0.0)
    moderator = candidate("moderator", Share().charged(1e6, weight=1.0, now=1e9), lane=-1)
    assert names(old, moderator) == ["moderator", "member"]


def test_jains_index() -> None:
    assert jain([5, 5, 5]) == 1.0
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_in_an_hour_of_too_much_work_everybody_gets_their_share(seed: int) -> None:
    community = mixed_hour(Random(seed))
    outcome = simulate(community, FairShare(community), servers=2, until=3600.0)
    busy = [member for member in community.weights if member.startswith("busy")]
    assert jain(outcome.used[member] / community.weights[member] for member in busy) >= 0.95


@pytest.mark.parametrize("seed", range(5))
def test_after_a_flood_the_next_one_who_asks_waits_for_two_ends_at_most(seed: int) -> None:
    random = Random(seed)
    community = Community()
    community.add("whale", [Order("whale", 0.0, random.uniform(5, 20)) for _ in range(50)])
    community.add("late", [Order("late", 100.0, 10.0)])
    outcome = simulate(community, FairShare(community), servers=1)
    assert outcome.waits["late"][0] <= 2 * 20.0


@pytest.mark.parametrize("seed", range(5))
def test_guilds_share_equally_however_many_they_are(seed: int) -> None:
    community = two_guilds(Random(seed))
    used = simulate(community, FairShare(community), servers=2, until=3600.0).used
    small = sum(seconds for member, seconds in used.items() if member.startswith("small"))
    assert small / sum(used.values()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_models_are_loaded_half_as_often_and_nobody_pays_for_it(seed: int) -> None:
    community = checkpoints(Random(seed))
    with_affinity, without = (
        simulate(community, FairShare(community, affinity=affinity), servers=2, switch=12.0)
        for affinity in (True, False)
    )
    assert with_affinity.switches <= without.switches / 2
    assert max(max(waits) for waits in with_affinity.waits.values()) <= max(
        max(waits) for waits in without.waits.values()
    )
    first_hour = simulate(community, FairShare(community), servers=2, switch=12.0, until=1800.0)
    assert jain(first_hour.used.values()) >= 0.95
