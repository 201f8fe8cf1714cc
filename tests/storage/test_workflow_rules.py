"""What guilds decide about workflows, as it is kept: on both engines."""

from dataclasses import replace

from bot.policy.guild_workflows import GuildLimits, GuildWorkflowRules, WorkflowRule
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.workflow_rules import SqlWorkflowRules

GUILD = 1 << 62
RULE = WorkflowRule(GUILD, "imagine", 5, False, {"steps": 10, "cfg": 1.5, "sampler": "ünï\0", "fast": True})


async def test_rules_and_limits_are_kept_by_guild(store: SqlJobRepository) -> None:
    rules = SqlWorkflowRules(store.engine)
    assert await rules.guild_rules(GUILD) == GuildWorkflowRules()
    await rules.set_workflow_rule(RULE)
    await rules.set_workflow_rule(replace(RULE, guild_id=2))
    limits = GuildLimits(GUILD, max_side=1024, max_pixels=1 << 40, max_steps=30, max_count=2)
    await rules.set_guild_limits(replace(limits, max_side=1))
    await rules.set_guild_limits(limits)
    assert await rules.guild_rules(GUILD) == GuildWorkflowRules((RULE,), limits)


async def test_a_rule_takes_the_place_of_the_former_one_and_goes_when_it_says_nothing(store: SqlJobRepository) -> None:
    rules = SqlWorkflowRules(store.engine)
    await rules.set_workflow_rule(RULE)
    await rules.set_workflow_rule(replace(RULE, is_enabled=True, defaults={}))
    assert (await rules.guild_rules(GUILD)).rules == (replace(RULE, is_enabled=True, defaults={}),)
    await rules.set_workflow_rule(replace(RULE, is_enabled=None, defaults={}))
    assert (await rules.guild_rules(GUILD)).rules == ()
