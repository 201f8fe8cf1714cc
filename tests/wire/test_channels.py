"""The fake's channels: nonces, replies, what may be read back, threads that sleep, and people who take no messages."""

import asyncio
import io

import discord
import pytest

from tests.wire import WireChannel
from tests.wire.bots import Trial
from tests.wire.places import MEMBER_PERMISSIONS, READ_HISTORY, VIEW_CHANNEL

THREAD = 11


def messageable(trial: Trial, channel: WireChannel | None = None) -> discord.PartialMessageable:
    place = channel or trial.wire.guild.channels[0]
    return trial.bot.get_partial_messageable(place.id, guild_id=place.guild_id)


async def thread_of(trial: Trial) -> WireChannel:
    world, guild = trial.wire.world, trial.wire.guild
    thread = WireChannel(world.snowflakes.next(), "talk", THREAD, guild.id, parent_id=guild.channels[0].id)
    guild.channels.append(thread)
    world.channels[thread.id] = thread
    return thread


async def test_an_enforced_nonce_makes_one_message_within_minutes(trial: Trial) -> None:
    channel = messageable(trial)
    first = await channel.send("one", nonce="n-1")
    again = await channel.send("one", nonce="n-1")
    other = await channel.send("two", nonce="n-2")
    assert first.id == again.id != other.id
    trial.wire.state.nonce_seconds = 0.0
    assert (await channel.send("one", nonce="n-1")).id not in (first.id, other.id)


async def test_a_nonce_has_at_most_25_characters(trial: Trial) -> None:
    await messageable(trial).send("one", nonce="n" * 25)
    with pytest.raises(discord.HTTPException) as caught:
        await messageable(trial).send("one", nonce="n" * 26)
    assert caught.value.code == 50035


async def test_a_reply_refers_to_its_message_and_needs_the_history(trial: Trial) -> None:
    channel = messageable(trial)
    first = await channel.send("one")
    reply = await channel.send("two", reference=first)
    assert reply.reference is not None
    assert reply.reference.message_id == first.id
    await trial.wire.allow(trial.wire.guild.channels[0], MEMBER_PERMISSIONS & ~READ_HISTORY)
    with pytest.raises(discord.HTTPException) as caught:
        await channel.send("three", reference=first)
    assert caught.value.code == 160002


async def test_a_reply_to_a_deleted_message_is_refused_unless_that_does_not_matter(trial: Trial) -> None:
    channel = messageable(trial)
    first = await channel.send("one")
    await first.delete()
    with pytest.raises(discord.HTTPException) as caught:
        await channel.send("two", reference=first.to_reference())
    assert caught.value.code == 50035
    assert (await channel.send("two", reference=first.to_reference(fail_if_not_exists=False))).reference is None


async def test_history_is_read_from_a_message_on_in_order(trial: Trial) -> None:
    trial.wire.state.rate_limits = False
    channel = messageable(trial)
    sent = [(await channel.send(str(number))).id for number in range(120)]
    after = discord.Object(sent[4])
    assert [message.id async for message in channel.history(limit=110, after=after)] == sent[5:115]
    assert [message.id async for message in channel.history(limit=3)] == sent[:-4:-1]


async def test_who_may_not_read_the_history_gets_an_empty_one(trial: Trial) -> None:
    channel = messageable(trial)
    await channel.send("one")
    await trial.wire.allow(trial.wire.guild.channels[0], MEMBER_PERMISSIONS & ~READ_HISTORY)
    assert [message async for message in channel.history()] == []


async def test_files_of_a_v2_message_are_found_in_its_components(trial: Trial) -> None:
    view = discord.ui.LayoutView()
    shown = discord.ui.MediaGallery[discord.ui.LayoutView](discord.MediaGalleryItem("attachment://one.png"))
    view.add_item(discord.ui.Container[discord.ui.LayoutView](shown))
    await messageable(trial).send(view=view, file=discord.File(io.BytesIO(b"x"), "one.png"))
    [message] = [message async for message in messageable(trial).history()]
    assert message.attachments == []
    [container] = message.components
    assert isinstance(container, discord.Container)
    [gallery] = container.children
    assert isinstance(gallery, discord.MediaGalleryComponent)
    assert "/one.png?" in gallery.items[0].media.url


async def test_a_sleeping_thread_refuses_until_it_is_woken(trial: Trial) -> None:
    thread = await thread_of(trial)
    message = await messageable(trial, thread).send("one")
    thread.archived = True
    with pytest.raises(discord.HTTPException) as caught:
        await message.edit(content="two")
    assert caught.value.code == 50083
    fetched = await trial.bot.fetch_channel(thread.id)
    assert isinstance(fetched, discord.Thread)
    assert fetched.archived
    await fetched.edit(archived=False)
    await message.edit(content="two")


async def test_a_locked_thread_is_not_woken(trial: Trial) -> None:
    thread = await thread_of(trial)
    thread.archived = thread.locked = True
    fetched = await trial.bot.fetch_channel(thread.id)
    assert isinstance(fetched, discord.Thread)
    with pytest.raises(discord.HTTPException) as caught:
        await fetched.edit(archived=False)
    assert caught.value.code == 50013
    thread.archived = False
    with pytest.raises(discord.HTTPException) as caught:
        await messageable(trial, thread).send("one")
    assert caught.value.code == 160005


async def test_a_deleted_channel_is_unknown(trial: Trial) -> None:
    place = trial.wire.guild.channels[0]
    message = await messageable(trial).send("one")
    await trial.wire.delete_channel(place)
    for attempt in (message.edit(content="two"), messageable(trial, place).send("three")):
        with pytest.raises(discord.HTTPException) as caught:
            await attempt
        assert caught.value.code == 10003
    assert trial.wire.messages_in(place) == []


async def test_the_bot_hears_what_it_may_do(trial: Trial) -> None:
    guild = trial.bot.get_guild(trial.wire.guild.id)
    assert guild is not None
    assert guild.owner_id == trial.wire.guild.owner_id
    [channel] = guild.text_channels
    assert channel.permissions_for(guild.me).view_channel
    await trial.wire.allow(trial.wire.guild.channels[0], MEMBER_PERMISSIONS & ~VIEW_CHANNEL)
    for _ in range(200):
        if not channel.permissions_for(guild.me).view_channel:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the change was not heard of")


@pytest.mark.parametrize(("people", "code"), [("closed_dms", 50007), ("strangers", 50278)])
async def test_some_people_take_no_direct_messages(trial: Trial, people: str, code: int) -> None:
    channel = await trial.bot.create_dm(discord.Object(5))
    getattr(trial.wire.state, people).add(5)
    with pytest.raises(discord.HTTPException) as caught:
        await channel.send("hello")
    assert caught.value.code == code
    assert trial.wire.direct_messages(5) == []
