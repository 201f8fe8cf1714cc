"""What the bot may do where a job's message is, worked out from what the gateway told; nothing is asked of Discord."""

from dataclasses import dataclass

import discord

from bot.jobs.job import Place

NAMES = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "attach_files": "Attach Files",
}
"""The permissions that a result needs, as Discord's settings call them; those texts are Discord's to translate."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Permissions that are missing in a channel, and who can grant them."""

    guild_id: int
    guild_name: str
    channel_name: str
    owner_id: int
    locale: str
    permissions: tuple[str, ...]
    """As Discord's settings call them."""


def lack_of(client: discord.Client, place: Place) -> Lack | None:
    """Return what is missing; None when nothing is, or when that cannot be known."""
    guild = client.get_guild(place.guild_id) if place.guild_id is not None else None
    channel = guild.get_channel_or_thread(place.channel_id) if guild else None
    me = guild.get_member(client.user.id) if guild and client.user else None
    if guild is None or channel is None or me is None or guild.owner_id is None:
        return None
    try:
        granted = channel.permissions_for(me)
    except discord.ClientException:  # a thread whose channel the gateway did not tell
        return None
    is_thread = isinstance(channel, discord.Thread)
    speak = "send_messages_in_threads" if is_thread else "send_messages"
    missing = [NAMES[name] for name in ("view_channel", speak, "attach_files") if not getattr(granted, name)]
    # Who cannot see a channel has no permission there at all: the first one is the one to grant
    missing = missing[:1] if not granted.view_channel else missing
    if not missing:
        return None
    return Lack(
        guild_id=guild.id,
        guild_name=guild.name,
        channel_name=channel.name,
        owner_id=guild.owner_id,
        locale=guild.preferred_locale.value,
        permissions=tuple(missing),
    )
