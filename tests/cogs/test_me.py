"""`/me`: a member's own account, in a guild and in private."""

from collections.abc import AsyncGenerator

import pytest

from bot.policy.pauses import Pause, of_guild, of_member
from bot.policy.role_rules import RoleRule
from tests.cogs.commands_only import Counter, opened_counter


@pytest.fixture
async def counter() -> AsyncGenerator[Counter]:
    async with opened_counter() as counter:
        yield counter


async def test_a_member_sees_their_own_account_and_nobody_elses(counter: Counter) -> None:
    sim, art, policies = counter.sim, counter.sim.channel(), counter.database.policies
    ann, bob = sim.member("ann"), sim.member("bob")
    await policies.set_rule(RoleRule(sim.guild_id, sim.guild_id, day_seconds=600.0, week_pictures=50, cooldown=30.0))
    await policies.pause(Pause(of_member(sim.guild_id, bob.id), by=9, reason="not for ann's eyes", at=1.0))
    await counter.waiting(ann)
    await counter.waiting(bob, 2)
    reply = await ann.slash(art, "me")
    assert reply.ephemeral
    for fact in (
        "0 of 10 GPU minutes (9.5 left)",
        "0 of 50 images (49 left)",
        "1 active request (about 0.5 GPU minutes)",
        "Cooldown: 30 seconds (ready in",
        "Imagine · starts in about",
    ):
        assert fact in reply.text
    assert "ann's eyes" not in reply.text
    assert "ann's eyes" in (await bob.slash(art, "me")).text


async def test_in_private_there_are_no_rules_and_only_what_was_asked_there(counter: Counter) -> None:
    sim, policies = counter.sim, counter.database.policies
    ann = sim.member("ann")
    await policies.set_rule(RoleRule(sim.guild_id, sim.guild_id, day_seconds=600.0))
    await policies.pause(Pause(of_guild(None), by=9, reason="closed at night", at=1.0))
    await counter.waiting(ann)
    reply = await ann.slash_in_private("me")
    assert "Last 24 hours: 0 GPU minutes, 0 images" in reply.text
    assert "No active requests" in reply.text
    assert "closed at night" in reply.text


async def test_moderators_commands_are_not_for_private(counter: Counter) -> None:
    ann = counter.sim.member("ann")
    assert "me" in ann.actor.user.available_commands()
    assert not [name for name in ann.actor.user.available_commands() if name.startswith(("moderate", "server"))]
