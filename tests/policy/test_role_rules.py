"""What members may have by their roles: the most generous word counts, and silence leaves it to everybody's."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.policy.role_rules import (
    LIMIT_NAMES,
    Allowance,
    RoleRule,
    resolve,
)

GUILD, OTHER_GUILD = 100, 200
EVERYBODY = RoleRule(GUILD, GUILD, weight=1.0, running=1, day_seconds=600.0, cooldown=60.0)
PATRON = RoleRule(GUILD, 1, weight=2.0, day_seconds=3600.0, cooldown=10.0)
ARTIST = RoleRule(GUILD, 2, weight=4.0, day_seconds=1200.0, running=3)

amounts = st.none() | st.integers(0, 1000)
roles = st.builds(
    RoleRule,
    guild_id=st.just(GUILD),
    role_id=st.integers(1, 5) | st.just(GUILD),
    weight=st.none() | st.floats(0.1, 100),
    running=amounts,
    waiting=amounts,
    lane=st.none() | st.booleans(),
    day_seconds=amounts,
    week_seconds=amounts,
    day_pictures=amounts,
    week_pictures=amounts,
    cooldown=amounts,
)
rule_sets = st.lists(roles, max_size=6, unique_by=lambda rule: rule.role_id)


def test_without_rules_nothing_is_limited() -> None:
    assert resolve([], GUILD, {1, 2}) == Allowance()
    assert not Allowance().limits_use


def test_the_most_generous_role_decides_each_limit() -> None:
    allowance = resolve([EVERYBODY, PATRON, ARTIST], GUILD, {1, 2, 99})
    assert allowance == Allowance(weight=4.0, running=3, day_seconds=3600.0, cooldown=10.0)


def test_what_no_role_says_everybodys_role_decides() -> None:
    assert resolve([EVERYBODY, PATRON], GUILD, {1}).running == 1
    assert resolve([EVERYBODY, PATRON], GUILD, ()) == Allowance(weight=1.0, running=1, day_seconds=600.0, cooldown=60.0)


def test_a_role_may_have_less_than_everybody() -> None:
    newcomer = RoleRule(GUILD, 3, weight=0.5, day_seconds=60.0)
    allowance = resolve([EVERYBODY, newcomer], GUILD, {3})
    assert (allowance.weight, allowance.day_seconds) == (0.5, 60.0)


def test_roles_of_another_guild_and_direct_messages_know_no_rules() -> None:
    elsewhere = replace(PATRON, guild_id=OTHER_GUILD)
    assert resolve([elsewhere], GUILD, {1}) == Allowance()
    assert resolve([EVERYBODY, PATRON], None, {1, GUILD}) == Allowance()


def test_the_first_lane_is_for_those_whose_role_says_so() -> None:
    moderators = RoleRule(GUILD, 4, lane=True)
    assert resolve([EVERYBODY, moderators], GUILD, {4}).lane
    assert not resolve([EVERYBODY, moderators], GUILD, {1}).lane


@given(rule_sets, st.sets(st.integers(1, 6)), st.randoms())
def test_the_order_of_rules_changes_nothing(rules: list[RoleRule], mine: set[int], random: object) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert resolve(rules, GUILD, mine) == resolve(shuffled, GUILD, mine)


@given(rule_sets, st.sets(st.integers(1, 5)), roles)
def test_a_further_role_never_makes_a_stated_limit_smaller(
    rules: list[RoleRule], mine: set[int], more: RoleRule
) -> None:
    """Nobody is worse off for a role, unless everybody's word was all there was."""
    own = [rule for rule in rules if rule.role_id in mine and rule.role_id != more.role_id]
    if more.role_id == GUILD:
        return
    before, after = resolve(own, GUILD, mine), resolve([*own, more], GUILD, {*mine, more.role_id})
    for name in ("running", "waiting", "day_seconds", "week_seconds", "day_pictures", "week_pictures"):
        if getattr(before, name) is not None:
            assert getattr(after, name) >= getattr(before, name)
    if before.cooldown is not None:
        assert after.cooldown is not None
        assert after.cooldown <= before.cooldown
    assert after.lane or not before.lane


def test_a_rule_that_says_nothing_knows_it() -> None:
    assert RoleRule(GUILD, 1).is_empty
    assert not RoleRule(GUILD, 1, lane=False).is_empty
    assert set(LIMIT_NAMES) == set(Allowance.__dataclass_fields__)
