"""The bot's own client, on some of the shards."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import yarl
from discord.gateway import DiscordWebSocket

from bot.ui.client.bot import ComfycordBot
from bot.ui.locale import Languages
from tests.wire import WireDiscord, WireGuild, guild_id
from tests.wire.bots import pointed_at


@asynccontextmanager
async def connected(wire: WireDiscord, **shards: Any) -> AsyncGenerator[ComfycordBot]:
    async def nothing() -> None:
        return

    bot = ComfycordBot(languages=Languages(), on_setup=nothing, on_close=nothing, api_url=wire.api_url, **shards)
    connection = asyncio.create_task(bot.start("wire-token"))
    try:
        await wire.ready(1)
        yield bot
    finally:
        await bot.close()
        await connection


async def test_a_process_serves_the_shards_it_is_told_to() -> None:
    guilds = [WireGuild(guild_id(number), f"guild {number}") for number in range(4)]
    async with WireDiscord(guilds=guilds) as wire, pointed_at(wire):
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL("ws://127.0.0.1:9")  # it has to ask where the gateway is
        async with connected(wire, shard_ids=(1,), shard_count=2) as bot:
            sessions = wire.gateway.live_sessions()
            assert {shard: session.shard_count for shard, session in sessions.items()} == {1: 2}
            await asyncio.wait_for(bot.wait_until_ready(), 10)
            assert {guild.name for guild in bot.guilds} == {"guild 1", "guild 3"}


async def test_without_being_told_it_serves_as_many_as_discord_recommends() -> None:
    async with WireDiscord() as wire, pointed_at(wire), connected(wire):
        assert {shard: session.shard_count for shard, session in wire.gateway.live_sessions().items()} == {0: 1}
