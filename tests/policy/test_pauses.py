"""Scopes of pauses: what is within whose hands, and whom a pause concerns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.pauses import (
    EVERYTHING,
    Pause,
    PauseScope,
    concerning,
    of_guild,
    of_member,
    of_workflow,
    scopes_of,
)
from bot.policy.terms import account_key

HERE, THERE, ANN, BOB = 10, 20, 1, 2


@pytest.mark.parametrize(
    ("scope", "within", "concerns_ann", "concerns_bob_there"),
    [
        (EVERYTHING, False, True, True),
        (of_guild(HERE), True, True, False),
        (of_guild(None), False, False, False),
        (of_workflow("imagine", HERE), True, True, False),
        (of_workflow("imagine", anywhere=True), False, True, True),
        (of_member(HERE, ANN), True, True, False),
        (of_member(HERE, BOB), True, False, False),
        (of_member(THERE, BOB), False, False, True),
        ("nonsense", False, False, False),
        ("", False, False, False),
    ],
)
def test_a_scope_says_whose_it_is(scope: str, within: bool, concerns_ann: bool, concerns_bob_there: bool) -> None:
    parts = PauseScope.parse(scope)
    assert parts.is_within(HERE) == within
    assert parts.concerns_member(HERE, ANN) == concerns_ann
    assert parts.concerns_member(THERE, BOB) == concerns_bob_there


def test_every_scope_of_a_job_is_one_that_a_moderator_can_pause() -> None:
    found = scopes_of(guild=str(HERE), workflow="imagine", account=account_key(HERE, ANN))
    assert set(found) == {
        EVERYTHING,
        of_guild(HERE),
        of_workflow("imagine", HERE),
        of_workflow("imagine", anywhere=True),
        of_member(HERE, ANN),
    }
    assert all(PauseScope.parse(scope).concerns_member(HERE, ANN) for scope in found)


def test_direct_messages_are_a_guild_of_their_own() -> None:
    assert PauseScope.parse(of_guild(None)).is_within(None)
    assert not PauseScope.parse(of_guild(HERE)).is_within(None)


def test_a_pause_ends_by_itself() -> None:
    assert Pause(EVERYTHING, 1).is_active(1e12)
    assert Pause(EVERYTHING, 1, until=100.0).is_active(99.9)
    assert not Pause(EVERYTHING, 1, until=100.0).is_active(100.0)


def test_members_learn_of_what_concerns_them() -> None:
    scopes = [EVERYTHING, of_guild(THERE), of_member(HERE, BOB), of_workflow("imagine", HERE)]
    found = concerning([Pause(scope, by=9) for scope in scopes], HERE, ANN)
    assert [pause.scope for pause in found] == [EVERYTHING, of_workflow("imagine", HERE)]


@given(st.text(max_size=60))
def test_any_text_can_be_taken_apart_and_only_a_scope_of_a_guild_is_within_it(scope: str) -> None:
    if PauseScope.parse(scope).is_within(HERE):
        assert scope.split(":")[1] == str(HERE)
