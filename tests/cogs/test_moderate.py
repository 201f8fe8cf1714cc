"""`/moderate`: pauses, what roles may have, how members stand; and who may not."""

from collections.abc import AsyncGenerator
from typing import Any

import discord
import pytest

from bot.jobs.cluster.bus import Topic
from bot.policy.pauses import EVERYTHING, Pause, of_guild, of_member, of_workflow
from bot.policy.role_rules import RoleRule
from tests.cogs.commands_only import (
    MANAGER,
    MODERATOR,
    Counter,
    opened_counter,
)
from tests.harness import Member, OptionError

HOME_ELSEWHERE = (1,)


@pytest.fixture
async def counter() -> AsyncGenerator[Counter]:
    """A guild that is not the bot's home."""
    async with opened_counter(HOME_ELSEWHERE) as counter:
        yield counter


@pytest.fixture
def mod(counter: Counter) -> Member:
    return counter.sim.member("mod", permissions=MODERATOR)


async def scopes(counter: Counter) -> set[str]:
    return {pause.scope for pause in await counter.database.policies.pauses(counter.sim.clock.now())}


# ------------------------------------------------------------------ pauses


async def test_a_moderator_pauses_and_resumes_the_guild(counter: Counter, mod: Member) -> None:
    art, guild_id = counter.sim.channel(), counter.sim.guild_id
    reply = await mod.slash(art, "moderate pause", what="guild", **{"for": "2h", "reason": "new\n*cooling*"})
    assert reply.ephemeral
    assert "this Discord server for 2 hours" in reply.text
    (pause,) = await counter.database.policies.pauses(counter.sim.clock.now())
    assert (pause.scope, pause.by, pause.reason) == (of_guild(guild_id), mod.id, "new *cooling*")
    assert pause.until is not None
    assert 7100 < pause.until - counter.sim.clock.now() <= 7200
    assert counter.bus.sent == [Topic.PAUSES, Topic.WORK]
    shown = await mod.slash(art, "moderate paused")
    assert shown.ephemeral
    assert "new \\*cooling\\*" in shown.text
    (choice,) = await mod.autocomplete(art, "moderate resume", "what", "server")
    assert choice == "this Discord server · new *cooling*"
    assert "Resumed" in (await mod.slash(art, "moderate resume", what=of_guild(guild_id))).text
    assert await scopes(counter) == set()
    assert await counter.recorded(f"resumed {of_guild(guild_id)}")
    assert "Nothing is paused" in (await mod.slash(art, "moderate paused")).text


async def test_workflows_and_members_are_paused_in_this_guild_only(counter: Counter, mod: Member) -> None:
    art, ann, guild_id = counter.sim.channel(), counter.sim.member("ann"), counter.sim.guild_id
    await mod.slash(art, "moderate pause", what="workflow", workflow="/Imagine")
    reply = await mod.slash(art, "moderate pause", what="member", member=ann, reason="40 at once")
    assert f"<@{ann.id}>" in reply.text
    assert await scopes(counter) == {of_workflow("imagine", guild_id), of_member(guild_id, ann.id)}
    assert await counter.recorded(f"paused {of_member(guild_id, ann.id)} until resumed: 40 at once")
    assert "imagine" in await mod.autocomplete(art, "moderate pause", "workflow", "ima", what="workflow")
    assert await mod.autocomplete(art, "moderate pause", "for", "1") == ["10m", "1h", "1d"]
    assert await mod.autocomplete(art, "moderate resume", "what", "ann") == ["ann's requests · 40 at once"]
    assert "Resumed" in (await mod.slash(art, "moderate resume", member=ann)).text
    assert "Pick a pause under **what**" in (await mod.slash(art, "moderate resume")).text
    assert "isn't paused" in (await mod.slash(art, "moderate resume", member=ann)).text
    assert await scopes(counter) == {of_workflow("imagine", guild_id)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"what": "workflow"}, "choose a **workflow**"),
        ({"what": "member"}, "choose a **member**"),
        ({"what": "guild", "workflow": "imagine"}, "leave it out"),
        ({"what": "workflow", "workflow": "**nothing**"}, r"no workflow “\*\*nothing\*\*”"),
        ({"what": "guild", "for": "soon"}, "isn't a duration"),
        ({"what": "guild", "for": "1s"}, "isn't a duration"),
        ({"what": "guild", "for": "900000w"}, "isn't a duration"),
    ],
)
async def test_what_makes_no_sense_is_explained_and_pauses_nothing(
    counter: Counter, mod: Member, options: dict[str, str], words: str
) -> None:
    reply = await mod.slash(counter.sim.channel(), "moderate pause", **options)
    assert reply.ephemeral
    assert words in reply.text
    assert await scopes(counter) == set()


async def test_a_moderator_decides_for_their_own_guild_only(counter: Counter, mod: Member) -> None:
    art = counter.sim.channel()
    for options in (
        {"what": "everything"},
        {"what": "direct messages"},
        {"what": "workflow everywhere", "workflow": "imagine"},
    ):
        reply = await mod.slash(art, "moderate pause", **options)
        assert reply.ephemeral
        assert "Only the bot's owner" in reply.text
    assert await scopes(counter) == set()
    theirs = [EVERYTHING, of_guild(999), of_member(999, 1), of_workflow("imagine", anywhere=True), "server:http://a"]
    for scope in theirs:
        await counter.database.policies.pause(_pause(scope))
        assert "Only the bot's owner" in (await mod.slash(art, "moderate resume", what=scope)).text
    assert await scopes(counter) == set(theirs)
    assert await mod.autocomplete(art, "moderate resume", "what", "") == []
    text = (await mod.slash(art, "moderate paused")).text
    assert "everything" in text
    assert "`/imagine` in all" in text
    assert "999" not in text
    assert "http://a" not in text
    assert counter.bus.sent == []


async def test_the_owner_of_the_bot_decides_for_all(counter: Counter) -> None:
    art, owner = counter.sim.channel(), counter.sim.member("owner", permissions=MODERATOR)
    counter.bot.owners = [owner.id]
    await owner.slash(art, "moderate pause", what="everything", reason="moving house")
    await owner.slash(art, "moderate pause", what="direct messages")
    await owner.slash(art, "moderate pause", what="workflow everywhere", workflow="imagine")
    assert await scopes(counter) == {EVERYTHING, of_guild(None), of_workflow("imagine", anywhere=True)}
    assert len(await owner.autocomplete(art, "moderate resume", "what", "")) == 3
    await owner.slash(art, "moderate resume", what=EVERYTHING)
    assert EVERYTHING not in await scopes(counter)


async def test_of_a_team_those_decide_who_may_change_the_application(counter: Counter) -> None:
    sim, art = counter.sim, counter.sim.channel()
    people = [sim.member(name, permissions=MODERATOR) for name in ("owner", "developer", "reader", "invited")]
    counter.bot.owners = [member.id for member in people]
    for member, may in zip(people, (True, True, False, False), strict=True):
        reply = await member.slash(art, "moderate pause", what="everything")
        assert ("Paused: everything" in reply.text) == may, member.name


async def test_when_discord_does_not_say_whose_bot_it_is_nobody_decides_for_all(counter: Counter) -> None:
    art, owner = counter.sim.channel(), counter.sim.member("owner", permissions=MODERATOR)
    counter.bot.owners, counter.bot.is_known = [owner.id], False
    assert "Only the bot's owner" in (await owner.slash(art, "moderate pause", what="everything")).text
    assert "Paused" in (await owner.slash(art, "moderate pause", what="guild")).text


async def test_managers_of_the_home_guild_decide_for_all() -> None:
    async with opened_counter() as counter:
        art = counter.sim.channel()
        manager, mod = (
            counter.sim.member("manager", permissions=MANAGER),
            counter.sim.member("mod", permissions=MODERATOR),
        )
        assert "Only the bot's owner" in (await mod.slash(art, "moderate pause", what="everything")).text
        assert "Paused: everything" in (await manager.slash(art, "moderate pause", what="everything")).text


async def test_being_the_only_guild_in_sight_makes_no_home_where_other_processes_see_others() -> None:
    async with opened_counter() as counter:
        counter.bot.shard_count = 2
        manager = counter.sim.member("manager", permissions=MANAGER)
        reply = await manager.slash(counter.sim.channel(), "moderate pause", what="everything")
        assert "Only the bot's owner" in reply.text


async def test_who_is_no_moderator_may_do_nothing_although_discord_offers_it(counter: Counter) -> None:
    sim, art, ann = counter.sim, counter.sim.channel(), counter.sim.member("ann")
    await sim.offer("moderate", ann)
    await counter.database.policies.pause(_pause(of_guild(sim.guild_id)))
    role = sim.role("artist")
    attempts = [
        ("pause", {"what": "guild"}),
        ("resume", {"what": of_guild(sim.guild_id)}),
        ("paused", {}),
        ("role", {"role": role, "weight": 9.0}),
        ("roles", {}),
        ("member", {"member": ann}),
    ]
    for name, options in attempts:
        reply = await ann.slash(art, f"moderate {name}", **options)
        assert reply.ephemeral
        assert "You need the **Manage " in reply.text or "Only the bot's owner" in reply.text, name
    assert await ann.autocomplete(art, "moderate resume", "what", "") == []
    assert await scopes(counter) == {of_guild(sim.guild_id)}
    assert await counter.database.policies.rules(sim.guild_id) == []


async def test_permission_in_one_channel_is_not_enough(counter: Counter) -> None:
    sim = counter.sim
    ann = sim.member("ann")
    corner = sim.channel("corner", overwrites={ann: discord.PermissionOverwrite(manage_messages=True)})
    await sim.offer("moderate", ann)
    assert "**Manage Messages**" in (await ann.slash(corner, "moderate pause", what="guild")).text
    assert await scopes(counter) == set()


# ------------------------------------------------------------------ commands


def texts(node: dict[str, Any]) -> list[str]:
    """Return what Discord counts: names, descriptions and values of a command and all below it."""
    own = [str(node[key]) for key in ("name", "description", "value") if key in node]
    below = [*(node.get("options") or []), *(node.get("choices") or [])]
    return own + [text for child in below for text in texts(child)]


async def test_the_commands_fit_into_what_discord_takes(counter: Counter) -> None:
    tree = counter.bot.tree
    payloads = [command.to_dict(tree) for command in tree.get_commands()]
    assert {payload["name"] for payload in payloads} == {"moderate", "server", "me"}
    for payload in payloads:
        found = texts(payload)
        assert sum(map(len, found)) <= 8000
        assert max(map(len, found)) <= 100


# ------------------------------------------------------------------ roles


async def test_a_manager_says_what_a_role_may_have_and_the_rest_stays(counter: Counter) -> None:
    sim, art = counter.sim, counter.sim.channel()
    manager, patrons = sim.member("manager", permissions=MANAGER), sim.role("patrons")
    await manager.slash(art, "moderate role", role=patrons, weight=2.0, gpu_minutes_day=30.0, first=True)
    reply = await manager.slash(art, "moderate role", role=patrons, cooldown=20, forget="lane")
    assert reply.ephemeral
    assert "priority ×2" in reply.text
    rule = RoleRule(sim.guild_id, patrons.id, weight=2.0, day_seconds=1800.0, cooldown=20.0)
    assert await counter.database.policies.rules(sim.guild_id) == [rule]
    assert await counter.recorded(
        f"role {patrons.id}: priority ×2, 30 GPU minutes/day, cooldown: 20 seconds, "
        "before priority ×2, always served first, 30 GPU minutes/day"
    )
    await manager.slash(art, "moderate role", role=sim.everybody(), running=1)
    shown = (await manager.slash(art, "moderate roles")).text
    assert "@everyone" in shown
    assert f"<@&{patrons.id}>" in shown
    await manager.slash(art, "moderate role", role=patrons, forget="everything")
    (left,) = await counter.database.policies.rules(sim.guild_id)
    assert left == RoleRule(sim.guild_id, sim.guild_id, running=1)


async def test_moderators_may_look_at_rules_but_not_change_them(counter: Counter, mod: Member) -> None:
    art, role = counter.sim.channel(), counter.sim.role("artist")
    assert "**Manage Server**" in (await mod.slash(art, "moderate role", role=role, weight=2.0)).text
    assert "No role limits" in (await mod.slash(art, "moderate roles")).text
    assert await counter.database.policies.rules(counter.sim.guild_id) == []


async def test_nothing_to_change_and_nonsense_are_refused(counter: Counter) -> None:
    art, role = counter.sim.channel(), counter.sim.role("artist")
    manager = counter.sim.member("manager", permissions=MANAGER)
    assert "at least one option" in (await manager.slash(art, "moderate role", role=role)).text
    for nonsense in ({"weight": 0.0}, {"running": 0}, {"gpu_minutes_day": -1.0}, {"cooldown": 10**9}):
        with pytest.raises(OptionError):
            await manager.slash(art, "moderate role", role=role, **nonsense)


# ------------------------------------------------------------------ members


async def test_a_moderator_sees_how_a_member_stands_here(counter: Counter, mod: Member) -> None:
    sim, art = counter.sim, counter.sim.channel()
    patrons = sim.role("patrons")
    ann = sim.member("ann", roles=[patrons])
    await counter.database.policies.set_rule(RoleRule(sim.guild_id, patrons.id, weight=3.0, day_pictures=10))
    await counter.waiting(ann)
    await mod.slash(art, "moderate pause", what="member", member=ann, reason="slow down")
    reply = await mod.slash(art, "moderate member", member=ann)
    assert reply.ephemeral
    for fact in (f"<@{ann.id}>", "0 of 10 images (9 left)", "×3", "1\\. Imagine · ⏸️", "> slow down"):
        assert fact in reply.text


def _pause(scope: str) -> Pause:
    return Pause(scope, by=9, at=1.0)
