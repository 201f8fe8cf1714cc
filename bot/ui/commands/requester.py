"""Who uses a command or button, as policy knows them: user, guild and roles."""

import discord

from bot.policy.admission import Requester


def requester_of(interaction: discord.Interaction) -> Requester:
    """Read who asks from an interaction. There are no roles in direct messages."""
    return member_of(interaction.user, interaction.guild_id)


def member_of(user: discord.User | discord.Member, guild_id: int | None) -> Requester:
    """Return a user as a member of a guild; without roles when they have left it."""
    # `discord.Member.roles` leaves out those of a guild that is not known (yet)
    roles = user._roles if isinstance(user, discord.Member) else ()  # pyright: ignore[reportPrivateUsage]
    return Requester(user.id, guild_id, frozenset(roles))
