"""What guilds decide about workflows, and what authors say about who may use them."""

import pytest

from bot.policy.access import ChannelContext, why_not
from bot.policy.guild_workflows import (
    GuildLimits,
    GuildWorkflowRules,
    WorkflowRule,
    narrowed,
)
from bot.policy.limits import Limits
from bot.workflow.manifest.sections import Access

GUILD, ART, THREAD, CATEGORY = 1, 10, 11, 12
IN_ART = (ART, CATEGORY)


def rule(channel: int = 0, enabled: bool | None = None, **defaults: int) -> WorkflowRule:
    return WorkflowRule(GUILD, "imagine", channel, enabled, defaults)


@pytest.mark.parametrize(
    ("rules", "channels", "enabled"),
    [
        ((), IN_ART, True),
        ((rule(enabled=False),), IN_ART, False),
        ((rule(enabled=False), rule(ART, True)), IN_ART, True),
        ((rule(enabled=False), rule(CATEGORY, True)), IN_ART, True),
        ((rule(enabled=False), rule(ART, True)), (THREAD, ART, CATEGORY), True),
        ((rule(CATEGORY, True), rule(ART, False)), IN_ART, False),
        ((rule(enabled=False), rule(ART, True)), (99,), False),
        ((rule(ART, steps=3),), IN_ART, True),
    ],
)
def test_the_innermost_place_decides(rules: tuple[WorkflowRule, ...], channels: tuple[int, ...], enabled: bool) -> None:
    house = GuildWorkflowRules(rules)
    assert house.is_enabled("imagine", channels) is enabled
    assert house.is_enabled("other", channels)


def test_a_command_is_of_use_where_any_channel_has_it() -> None:
    assert not GuildWorkflowRules((rule(enabled=False),)).is_ever_enabled("imagine")
    some = GuildWorkflowRules((rule(enabled=False), rule(ART, True)))
    assert some.is_ever_enabled("imagine")
    assert some.enabled_channels("imagine") == (ART,)


def test_defaults_of_a_channel_count_more() -> None:
    house = GuildWorkflowRules((rule(steps=10, cfg=5), rule(CATEGORY, steps=20), rule(ART, steps=30)))
    assert house.defaults("imagine", IN_ART) == {"steps": 30, "cfg": 5}
    assert house.defaults("imagine", (CATEGORY,)) == {"steps": 20, "cfg": 5}
    assert house.defaults("imagine") == {"steps": 10, "cfg": 5}


def test_limits_only_become_narrower() -> None:
    limits = Limits(max_steps=100, max_side=2000)
    assert narrowed(limits, None) == limits
    small = narrowed(limits, GuildLimits(GUILD, max_steps=20, max_side=9000))
    assert (small.max_steps, small.max_side, small.max_count) == (20, 2000, limits.max_count)


HERE = ChannelContext(is_private=False, roles=frozenset({"artists", "77"}), channels=frozenset({"art", "10"}))


@pytest.mark.parametrize(
    ("access", "there", "sentence"),
    [
        (Access(), HERE, None),
        (Access(roles=("@Artists",)), HERE, None),
        (Access(roles=("77", "none")), HERE, None),
        (Access(roles=("Mods",)), HERE, "need one of these roles to use this command: Mods"),
        (Access(channels=("#Art",)), HERE, None),
        (Access(channels=("5",)), HERE, "use this command in <#5>"),
        (Access(age_restricted=True), HERE, "only works in age-restricted channels"),
        (Access(direct_messages=False), HERE, None),
        (Access(direct_messages=False), ChannelContext(is_private=True), "doesn't work in direct messages"),
        (Access(roles=("Artists",)), ChannelContext(is_private=True), "doesn't work in direct messages"),
        (Access(), ChannelContext(is_private=True), None),
    ],
)
def test_who_may_use_a_workflow_where(access: Access, there: ChannelContext, sentence: str | None) -> None:
    reason = why_not(access, there)
    assert (reason is None) if sentence is None else (sentence in str(reason))
