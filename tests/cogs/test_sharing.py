"""Sharing as members meet it: pauses, caps, quotas and cooldowns, with the whole bot and a stand-in that draws."""

import re
from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path

import discord
import pytest
from PIL import Image

from bot.sandbox.comfyui import ServerState
from bot.ui.page import Tone
from tests.cogs.whole_bot import done, playing
from tests.harness import Channel, Member, Reply, Simulation

MANAGER = discord.Permissions(manage_messages=True, manage_guild=True)
SMALL = {"width": 64, "height": 64}


@pytest.fixture
def state() -> ServerState:
    return ServerState(seconds_per_step=0.0)


@pytest.fixture
async def sim(tmp_path: Path, state: ServerState) -> AsyncGenerator[Simulation]:
    async with playing(tmp_path, state) as sim:
        yield sim


@pytest.fixture
def manager(sim: Simulation) -> Member:
    return sim.member("manager", permissions=MANAGER)


async def imagine(member: Member, art: Channel, prompt: str = "a fox", **options: object) -> Reply:
    return await member.slash(art, "imagine", prompt=prompt, **SMALL, **options)


# ------------------------------------------------------------------ pauses


async def test_a_paused_members_request_waits_says_why_and_starts_after_the_pause(
    sim: Simulation, state: ServerState, manager: Member
) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await manager.slash(art, "moderate pause", what="member", member=ann, reason="one at a *time*, @everyone")
    reply = await imagine(ann, art)
    assert not reply.ephemeral
    await sim.until(lambda: 'On hold: Paused by a moderator: "one at a \\*time\\*' in reply.text)
    assert not reply.message.raw.mention_everyone
    await done(sim, await imagine(bob, art, "an owl"))
    asked = len(state.seen.prompts)
    assert "⏸️" in (await bob.slash(art, "queue")).text
    assert "one at a" in (await ann.slash(art, "queue")).text
    assert "one at a" in (await ann.slash(art, "me")).text
    await manager.slash(art, "moderate resume", member=ann)
    await done(sim, reply)
    assert len(state.seen.prompts) == asked + 1


async def test_a_pause_ends_by_itself(sim: Simulation, manager: Member) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    await manager.slash(art, "moderate pause", what="workflow", workflow="imagine", **{"for": "20s"})
    reply = await imagine(ann, art)
    await sim.until(lambda: "Paused" in reply.text)
    sim.advance(20)
    await done(sim, reply)


async def test_who_asks_during_a_pause_is_told_at_once(sim: Simulation, manager: Member) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await manager.slash(art, "moderate pause", what="everything", reason="new cooling")
    first = await imagine(bob, art)
    await sim.until(lambda: "new cooling" in first.text)
    reply = await imagine(ann, art)
    assert "new cooling" in reply.text, "in the first answer"
    assert "Cancel" in reply.text
    await ann.press(reply.message, "Cancel")
    await sim.until(lambda: "Cancelled." in reply.text)


# ------------------------------------------------------------------ what roles may have


async def test_a_quota_is_refused_in_private_before_anything_is_kept(sim: Simulation, manager: Member) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await manager.slash(art, "moderate role", role=sim.everybody(), pictures_day=3)
    await done(sim, await imagine(ann, art, count=2))
    refused = await imagine(ann, art, count=2)
    assert refused.ephemeral
    assert "2 of 3 images in the last 24 hours; this makes 2" in refused.text
    await done(sim, await imagine(ann, art))
    assert (await imagine(ann, art)).ephemeral
    assert "3 of 3 images (0 left)" in (await ann.slash(art, "me")).text
    await done(sim, await imagine(bob, art))
    assert len(sim.messages(art)) == 3


async def test_what_is_under_way_counts_against_the_quota(sim: Simulation, state: ServerState, manager: Member) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    state.seconds_per_step = 0.2
    await manager.slash(art, "moderate role", role=sim.everybody(), pictures_day=2)
    first = await imagine(ann, art, count=2)
    refused = await imagine(ann, art)
    assert refused.ephemeral
    assert "2 more are on their way" in refused.text
    await ann.press(first.message, "Cancel")
    await sim.until(lambda: "Cancelled." in first.text)


async def test_gpu_minutes_are_a_limit_too(sim: Simulation, manager: Member) -> None:
    ann, art, role = sim.member("ann"), sim.channel("art"), sim.everybody()
    await manager.slash(art, "moderate role", role=role, gpu_minutes_week=0.0)
    refused = await imagine(ann, art)
    assert refused.ephemeral
    assert "ask a moderator" in refused.text
    await manager.slash(art, "moderate role", role=role, forget="week_seconds")
    await done(sim, await imagine(ann, art))


async def test_the_cooldown_counts_from_the_last_request_that_was_not_refused(sim: Simulation, manager: Member) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await manager.slash(art, "moderate role", role=sim.everybody(), cooldown=20)
    await done(sim, await imagine(ann, art))
    refused = await imagine(ann, art)
    assert refused.ephemeral
    assert re.search(r"please wait (1\d|20) seconds", refused.text)
    assert not (await imagine(bob, art)).ephemeral
    sim.advance(20)
    await done(sim, await imagine(ann, art))


async def test_a_role_lifts_a_limit(sim: Simulation, manager: Member) -> None:
    art, patrons = sim.channel("art"), sim.role("patrons")
    ann, pat = sim.member("ann"), sim.member("pat", roles=[patrons])
    await manager.slash(art, "moderate role", role=sim.everybody(), pictures_day=0)
    await manager.slash(art, "moderate role", role=patrons, pictures_day=100)
    assert (await imagine(ann, art)).ephemeral
    await done(sim, await imagine(pat, art))


async def test_pictures_are_not_even_read_when_nothing_is_left(sim: Simulation, manager: Member) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    await manager.slash(art, "moderate role", role=sim.everybody(), pictures_day=1)
    attached = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(attached, "PNG")
    picture = ("in.png", attached.getvalue())
    await done(sim, await ann.slash(art, "upscale", image=picture, factor=2.0))
    refused = await ann.slash(art, "upscale", image=picture, factor=2.0)
    assert refused.ephemeral
    assert "1 of 1 images" in refused.text


async def test_at_most_so_many_run_at_a_time_and_the_others_say_so(
    sim: Simulation, state: ServerState, manager: Member
) -> None:
    ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
    await manager.slash(art, "moderate role", role=sim.everybody(), running=1)
    state.seconds_per_step = 0.25
    first, second = await imagine(ann, art, "one", steps=10), await imagine(ann, art, "two", steps=1)
    await sim.until(lambda: "It will start when your other request has finished" in second.text)
    other = await imagine(bob, art, "bob's", steps=1)
    await sim.until(lambda: len(state.seen.prompts) == 2)
    await done(sim, first)
    await done(sim, other)
    await done(sim, second)
    assert [Tone.DONE.value in reply.message.accents for reply in (first, second, other)] == [True] * 3
