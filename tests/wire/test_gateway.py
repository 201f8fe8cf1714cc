"""The fake gateway: shards, resumes, and sessions that end."""

import asyncio
import sys
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import discord
import pytest

from tests.wire import WireDiscord, WireGuild, gateway, guild_id
from tests.wire.bots import Trial, TrialBot, running

SUBPROCESS_BOT = """
import asyncio, os
from discord.http import Route
from tests.wire.bots import TrialBot
Route.BASE = os.environ["DISCORD_API_URL"]
asyncio.run(TrialBot().start("wire-token"))
"""


async def test_dropped_socket_is_resumed_and_missed_events_replayed(trial: Trial) -> None:
    trial.wire.gateway.drop()
    job = await trial.wire.slash("echo", {"text": "while away"})
    await job.wait_for(lambda message: message.text == "while away")
    await trial.bot.resumed.wait()
    counters = trial.wire.counters
    assert (counters.identifies, counters.resumes, counters.replayed_events) == (1, 1, 1)


async def test_requested_reconnect_is_resumed(trial: Trial) -> None:
    await trial.wire.gateway.reconnect()
    await trial.bot.resumed.wait()
    assert (await trial.wire.slash("echo", {"text": "back"})).response_type == 5
    assert trial.wire.counters.identifies == 1


async def test_closed_socket_is_resumed(trial: Trial) -> None:
    await trial.wire.gateway.close(4000)
    await trial.bot.resumed.wait()
    assert trial.wire.counters.resumes == 1


async def test_invalidated_session_is_begun_anew(trial: Trial) -> None:
    await trial.wire.gateway.invalidate()
    await trial.wire.ready()
    assert (trial.wire.counters.identifies, trial.wire.counters.resumes) == (2, 0)
    assert (await trial.wire.slash("echo", {"text": "anew"})).response_type == 5


async def test_refused_resume_is_followed_by_identify(trial: Trial) -> None:
    trial.wire.state.refuse_resumes = 1
    trial.wire.gateway.drop()
    await trial.wire.world.changes.until(lambda: trial.wire.counters.identifies == 2, 5, "a second IDENTIFY")
    await trial.wire.ready()
    counters = trial.wire.counters
    assert (counters.resumes, counters.refused_sessions, trial.wire.state.refuse_resumes) == (1, 1, 0)


async def test_refused_identify_is_repeated(wire: WireDiscord) -> None:
    wire.state.refuse_identifies = 1
    async with running(wire, TrialBot()):
        assert (wire.counters.identifies, wire.counters.refused_sessions) == (2, 1)


async def test_silent_gateway_is_left(wire: WireDiscord) -> None:
    wire.state.heartbeat_seconds = 0.05
    wire.state.ack_heartbeats = False
    bot = TrialBot(heartbeat_timeout=0.2)
    async with running(wire, bot):
        async with asyncio.timeout(10):
            await bot.resumed.wait()
        wire.state.ack_heartbeats = True
    assert wire.counters.heartbeats >= 2


@pytest.mark.parametrize(
    ("code", "error"), [(4004, discord.ConnectionClosed), (4014, discord.PrivilegedIntentsRequired)]
)
async def test_identify_may_be_refused_for_good(wire: WireDiscord, code: int, error: type[Exception]) -> None:
    wire.state.close_identifies.append(code)
    with pytest.raises(error):
        async with running(wire, TrialBot()):
            pass


async def test_each_shard_hears_of_its_guilds() -> None:
    guilds = [WireGuild(guild_id(number), f"guild {number}") for number in range(3)]
    async with WireDiscord(guilds=guilds) as wire:
        wire.state.shards = 2
        bot = TrialBot()
        async with running(wire, bot):
            await bot.wait_until_ready()
            assert {guild.name: guild.shard_id for guild in bot.guilds} == {"guild 0": 0, "guild 1": 1, "guild 2": 0}
            job = await wire.slash("echo", {"text": "one"}, guild=guilds[1])
            await job.wait_for(lambda message: message.text == "one")
            wire.gateway.drop(shard=1)
            await bot.resumed.wait()
        assert (wire.counters.identifies, wire.counters.resumes) == (2, 1)


@asynccontextmanager
async def two_processes(wire: WireDiscord) -> AsyncGenerator[tuple[TrialBot, TrialBot]]:
    """Two bots with one token, each with one of two shards."""
    first, second = (TrialBot(shard_ids=[shard], shard_count=2) for shard in range(2))
    async with running(wire, first, shards=1), running(wire, second, shards=2):
        yield first, second


async def test_each_of_two_processes_hears_of_its_guilds() -> None:
    guilds = [WireGuild(guild_id(number), f"guild {number}") for number in range(4)]
    async with WireDiscord(guilds=guilds) as wire, two_processes(wire) as (first, second):
        await first.wait_until_ready()
        await second.wait_until_ready()
        assert {guild.name for guild in first.guilds} == {"guild 0", "guild 2"}
        assert {guild.name for guild in second.guilds} == {"guild 1", "guild 3"}
        jobs = [await wire.slash("echo", {"text": guild.name}, guild=guild) for guild in guilds]
        for guild, job in zip(guilds, jobs, strict=True):
            await job.wait_for(lambda message, name=guild.name: message.text == name)
        await wire.slash("echo", {"text": "in private"}, context=1)
        assert [seen.guild and seen.guild.name for seen in first.seen] == ["guild 0", "guild 2", None]
        assert [seen.guild and seen.guild.name for seen in second.seen] == ["guild 1", "guild 3"]


async def test_a_process_that_comes_again_has_its_shard_again_and_the_other_notices_nothing() -> None:
    guilds = [WireGuild(guild_id(number)) for number in range(2)]
    async with WireDiscord(guilds=guilds) as wire, two_processes(wire) as (first, second):
        await first.close()
        await wire.world.changes.until(lambda: wire.gateway.live_shards() == 1, 5, "the end of a shard")
        again = TrialBot(shard_ids=[0], shard_count=2)
        async with running(wire, again, shards=2):
            for guild in guilds:
                await wire.slash("echo", {"text": "x"}, guild=guild)
            assert (len(again.seen), len(second.seen)) == (1, 1)
        assert (wire.counters.identifies, wire.counters.resumes) == (3, 0)


async def test_sessions_of_another_number_of_shards_hear_too_as_long_as_they_live() -> None:
    guilds = [WireGuild(guild_id(number)) for number in range(2)]
    async with WireDiscord(guilds=guilds) as wire:
        old, new = TrialBot(), TrialBot(shard_ids=[1], shard_count=2)
        async with running(wire, old, shards=1), running(wire, new, shards=1):
            await new.wait_until_ready()
            await wire.slash("echo", {"text": "x"}, guild=guilds[0])
            await wire.slash("echo", {"text": "x"}, guild=guilds[1], wait=False)
            await wire.world.changes.until(lambda: bool(new.seen) and len(old.seen) == 2, 5, "both to hear")
        assert len(new.seen) == 1


async def test_who_identifies_too_soon_is_refused_and_comes_again(
    wire: WireDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "IDENTIFY_WINDOW", 0.3)
    wire.state.limit_identifies, wire.state.max_concurrency = True, 1
    async with two_processes(wire):
        assert wire.counters.refused_sessions >= 1


async def test_starts_of_sessions_are_counted_down(wire: WireDiscord) -> None:
    async with running(wire, TrialBot()):
        pass
    wire.state.session_starts = 10
    async with running(wire, bot := TrialBot()):
        limits = await bot.fetch_session_start_limits()
        assert (limits.total, limits.remaining) == (10, 8)


@pytest.mark.parametrize(("shards", "fewest", "code"), [((2, 2), 0, 4010), ((0, 1), 2, 4011)])
async def test_shards_that_cannot_be_are_refused(
    wire: WireDiscord, shards: tuple[int, int], fewest: int, code: int
) -> None:
    wire.state.fewest_shards = fewest
    with pytest.raises(discord.ConnectionClosed) as refused:
        async with running(wire, TrialBot(shard_ids=[shards[0]], shard_count=shards[1])):
            pass
    assert refused.value.code == code


async def test_events_of_any_kind_can_be_sent(trial: Trial) -> None:
    await trial.bot.wait_until_ready()
    gone = asyncio.ensure_future(trial.bot.wait_for("guild_remove", timeout=5))
    await asyncio.sleep(0)
    guild = trial.wire.guild.id
    await trial.wire.gateway.dispatch("GUILD_DELETE", {"id": str(guild)}, guild=guild)
    assert (await gone).id == guild


async def test_frames_are_compressed_as_asked(wire: WireDiscord) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{wire.gateway_url}?compress=zlib-stream") as ws:
        frame = await ws.receive_bytes(timeout=5)
        assert b'"op": 10' in zlib.decompressobj().decompress(frame)


async def test_bot_in_another_process(wire: WireDiscord) -> None:
    environment = {"DISCORD_API_URL": wire.api_url, "PYTHONPATH": ":".join(sys.path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SUBPROCESS_BOT, env=environment)
    try:
        await wire.ready(timeout=20)
        job = await wire.slash("echo", {"text": "from afar"})
        await job.wait_for(lambda message: message.text == "from afar")
    finally:
        process.kill()
        await process.wait()
    await wire.world.changes.until(lambda: wire.gateway.live_shards() == 0, 5, "the end of the socket")


async def test_without_a_bot_nothing_can_be_sent(wire: WireDiscord) -> None:
    with pytest.raises(LookupError):
        await wire.gateway.dispatch("GUILD_DELETE", {})
    with pytest.raises(TimeoutError, match="live shards"):
        await wire.ready(timeout=0.01)
