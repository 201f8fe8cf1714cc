"""Access checks for commands that reach beyond one's own jobs: guild moderators, guild managers and bot admins.

Guild-wide permissions count, not those in the command's channel: moderators of one thread must not pause a whole guild.
All `require_…` methods raise `DeniedError`.
"""

import asyncio
import logging
from collections.abc import Collection

import discord

from bot.clock import Clock
from bot.errors import DeniedError
from bot.i18n import _

log = logging.getLogger(__name__)

OWNERS_TIMEOUT = 1.0
"""Seconds for asking Discord who owns the application; the command waits for it."""
OWNERS_CACHE_SECONDS = 600.0
"""Seconds for which the owners are cached."""
OWNERS_RETRY_INTERVAL = 30.0
"""Seconds until the next try after a failed request."""
ADMIN_ROLES = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)


class AccessChecks:
    """`home_guilds` are those of the settings; if empty, a guild is home when it is the only one the bot is in."""

    def __init__(self, *, home_guilds: Collection[int], clock: Clock) -> None:
        self._home_guilds = frozenset(home_guilds)
        self._clock = clock
        self._owners: frozenset[int] = frozenset()
        self._refresh_at = float("-inf")
        self._refreshing = asyncio.Lock()

    def moderates(self, interaction: discord.Interaction) -> bool:
        """Whether the user has *Manage Messages* in this guild."""
        return _permissions(interaction).manage_messages

    def manages(self, interaction: discord.Interaction) -> bool:
        """Whether the user has *Manage Server* in this guild."""
        return _permissions(interaction).manage_guild

    async def is_bot_admin(self, interaction: discord.Interaction) -> bool:
        """Whether the user is a bot admin: an owner of the application, or a manager of a home guild."""
        if self._is_home(interaction) and self.manages(interaction):
            return True
        return interaction.user.id in await self._known_owners(interaction.client)

    def require_moderator(self, interaction: discord.Interaction) -> None:
        if not self.moderates(interaction):
            raise DeniedError(_("You need the **Manage Messages** permission."))

    def require_manager(self, interaction: discord.Interaction) -> None:
        if not self.manages(interaction):
            raise DeniedError(_("You need the **Manage Server** permission."))

    async def require_bot_admin(self, interaction: discord.Interaction) -> None:
        if not await self.is_bot_admin(interaction):
            raise DeniedError(_("Only the bot's owner can do this."))

    def _is_home(self, interaction: discord.Interaction) -> bool:
        if self._home_guilds:
            return interaction.guild_id in self._home_guilds
        client = interaction.client
        # With several shards, this process may see only some of the guilds
        sees_all = (client.shard_count or 1) == 1
        return sees_all and [guild.id for guild in client.guilds] == [interaction.guild_id]

    async def _known_owners(self, client: discord.Client) -> Collection[int]:
        async with self._refreshing:
            if self._clock.monotonic() >= self._refresh_at:
                await self._refresh_owners(client)
        return self._owners

    async def _refresh_owners(self, client: discord.Client) -> None:
        valid_for = OWNERS_RETRY_INTERVAL
        try:
            async with asyncio.timeout(OWNERS_TIMEOUT):
                self._owners = _owners(await client.application_info())
            valid_for = OWNERS_CACHE_SECONDS
        except Exception as error:  # discord.py does not wrap the errors of its HTTP library
            log.warning("could not fetch the bot's owners from Discord: %r", error)
        self._refresh_at = self._clock.monotonic() + valid_for


def _permissions(interaction: discord.Interaction) -> discord.Permissions:
    """Return the user's guild-wide permissions; none outside a guild that the bot is in."""
    user, guild_id = interaction.user, interaction.guild_id
    if guild_id is None or not isinstance(user, discord.Member) or interaction.client.get_guild(guild_id) is None:
        return discord.Permissions.none()
    return user.guild_permissions


def _owners(application: discord.AppInfo) -> frozenset[int]:
    team = application.team
    if team is None:
        return frozenset({application.owner.id})
    admins = {
        member.id
        for member in team.members
        if member.membership_state is discord.TeamMembershipState.accepted and member.role in ADMIN_ROLES
    }
    return frozenset(admins | ({team.owner_id} if team.owner_id else set()))
