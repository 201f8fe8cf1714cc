"""Finds the permissions that the bot lacks in a job's channel: from the gateway's cache, or over REST.

A process without a gateway, or without the guild's shard, has no guilds and channels cached; it asks for them only
after Discord refused something, and caches the answer.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias, cast

import discord
from cachetools import TTLCache

from bot.clock import Clock
from bot.jobs.job import MessageLocation
from bot.ui.messages.discord_errors import DiscordError, ask_discord

log = logging.getLogger(__name__)

NAMES = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "attach_files": "Attach Files",
}
"""The permissions that a result needs, by the untranslated names in Discord's settings."""
REQUEST_TIMEOUT = 20.0
"""Seconds for all requests about one channel."""
CACHE_TTL = 60.0
"""Seconds for which an answer is cached."""
MAX_CHANNELS = 200
"""Channels whose answer is cached."""

GuildChannel: TypeAlias = discord.abc.GuildChannel | discord.Thread


@dataclass(frozen=True, slots=True)
class MissingPermissions:
    """The permissions missing in a channel, and the guild owner who can grant them."""

    guild_id: int
    guild_name: str
    channel_name: str
    owner_id: int
    locale: str
    permissions: tuple[str, ...]
    """By their names in Discord's settings."""


@dataclass(frozen=True, slots=True)
class _ChannelPermissions:
    guild: discord.Guild
    channel: GuildChannel
    granted: discord.Permissions


class PermissionCheck:
    def __init__(self, *, client: Callable[[], discord.Client], clock: Clock) -> None:
        self._client = client
        self._asked: TTLCache[int, _ChannelPermissions | None] = TTLCache(
            MAX_CHANNELS, CACHE_TTL, timer=clock.monotonic
        )

    async def find_missing(self, place: MessageLocation) -> MissingPermissions | None:
        """Return what is missing; None if nothing is, or if that cannot be determined."""
        client = self._client()
        if place.guild_id is None or client.user is None:
            return None
        guild = client.get_guild(place.guild_id)
        known = guild is not None and guild.me is not None  # pyright: ignore[reportUnnecessaryComparison] # not for a mere id
        permissions = _from_gateway(guild, place.channel_id) if guild and known else await self._ask(client, place)
        return None if permissions is None else _missing(permissions)

    async def _ask(self, client: discord.Client, place: MessageLocation) -> _ChannelPermissions | None:
        with suppress(KeyError):
            return self._asked[place.channel_id]
        permissions = self._asked[place.channel_id] = await _from_rest(client, place)
        return permissions


def _from_gateway(guild: discord.Guild, channel_id: int) -> _ChannelPermissions | None:
    channel = guild.get_channel_or_thread(channel_id)
    if channel is None:
        return None
    try:
        return _ChannelPermissions(guild, channel, channel.permissions_for(guild.me))
    except discord.ClientException:  # a thread whose parent is not cached
        return None


async def _from_rest(client: discord.Client, place: MessageLocation) -> _ChannelPermissions | None:
    try:
        async with ask_discord(REQUEST_TIMEOUT):
            guild = await client.fetch_guild(cast("int", place.guild_id), with_counts=False)
            me = await guild.fetch_member(cast("discord.ClientUser", client.user).id)
            channels = {channel.id: channel for channel in await guild.fetch_channels()}
            if (channel := channels.get(place.channel_id)) is not None:
                return _ChannelPermissions(guild, channel, channel.permissions_for(me))
            thread = await client.fetch_channel(place.channel_id)  # threads are not in the list
            if isinstance(thread, discord.Thread) and (parent := channels.get(thread.parent_id)) is not None:
                return _ChannelPermissions(guild, thread, _granted_in_threads(parent, me))
    except DiscordError as error:
        log.info("cannot read the bot's permissions in channel %s: %s", place.channel_id, error)
    return None


def _granted_in_threads(parent: discord.abc.GuildChannel, me: discord.Member) -> discord.Permissions:
    """Do what `discord.Thread.permissions_for` does, which needs the parent in the gateway's cache."""
    granted = discord.abc.GuildChannel.permissions_for(parent, me)
    if not granted.send_messages_in_threads:
        granted.attach_files = False
    return granted


def _missing(permissions: _ChannelPermissions) -> MissingPermissions | None:
    guild, channel, granted = permissions.guild, permissions.channel, permissions.granted
    speak = "send_messages_in_threads" if isinstance(channel, discord.Thread) else "send_messages"
    missing = [NAMES[name] for name in ("view_channel", speak, "attach_files") if not getattr(granted, name)]
    # Without View Channel all other permissions are off, too: name only the one to grant
    missing = missing[:1] if not granted.view_channel else missing
    if not missing or guild.owner_id is None:
        return None
    return MissingPermissions(
        guild_id=guild.id,
        guild_name=guild.name,
        channel_name=channel.name,
        owner_id=guild.owner_id,
        locale=guild.preferred_locale.value,
        permissions=tuple(missing),
    )
