"""Who may do what beyond their own jobs: moderators of a guild, its managers, and those who rule the servers.

Permissions are those in the guild as a whole, not in the channel of the command: whoever may tidy up one thread must
not pause everybody.
"""

import asyncio
import logging
from collections.abc import Collection

import discord

from bot.clock import Clock
from bot.errors import DeniedError
from bot.i18n import _

log = logging.getLogger(__name__)

ASK_LIMIT = 1.0
"""Seconds for asking Discord whose application this is: the command itself waits for it."""
OWNERS_KEPT = 600.0
"""Seconds for which the owners are not asked for again."""
ASK_AGAIN = 30.0
"""Seconds until they are asked for again, when Discord did not say."""
RULING_ROLES = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)


class Authority:
    """Answers who may do what. `home_guilds` are those that the settings name; none for wherever the bot is."""

    def __init__(self, *, home_guilds: Collection[int], clock: Clock) -> None:
        self._home_guilds = frozenset(home_guilds)
        self._clock = clock
        self._owners: frozenset[int] = frozenset()
        self._ask_at = float("-inf")
        self._asking = asyncio.Lock()

    def moderates(self, interaction: discord.Interaction) -> bool:
        """Whether they may manage messages in the guild where they are."""
        return _permissions(interaction).manage_messages

    def manages(self, interaction: discord.Interaction) -> bool:
        """Whether they may manage the guild where they are."""
        return _permissions(interaction).manage_guild

    async def rules_fleet(self, interaction: discord.Interaction) -> bool:
        """Whether they may decide for all guilds, and about servers: managers of a home guild, and the bot's owners."""
        if self._is_home(interaction) and self.manages(interaction):
            return True
        return interaction.user.id in await self._known_owners(interaction.client)

    def require_moderator(self, interaction: discord.Interaction) -> None:
        """Raise `DeniedError` for those who do not moderate here."""
        if not self.moderates(interaction):
            raise DeniedError(_("Only moderators may use this: those who may manage messages in this Discord server."))

    def require_manager(self, interaction: discord.Interaction) -> None:
        """Raise `DeniedError` for those who do not manage the guild."""
        if not self.manages(interaction):
            raise DeniedError(_("Only those who may manage this Discord server may change what its roles may have."))

    async def require_fleet(self, interaction: discord.Interaction) -> None:
        """Raise `DeniedError` for those who do not rule the servers."""
        if not await self.rules_fleet(interaction):
            raise DeniedError(
                _(
                    "This is about more than this Discord server, so only the owner of the bot may do it. Please ask "
                    "them."
                )
            )

    def _is_home(self, interaction: discord.Interaction) -> bool:
        if self._home_guilds:
            return interaction.guild_id in self._home_guilds
        client = interaction.client
        # With several shards, this process may know only some of the guilds
        sees_all = (client.shard_count or 1) == 1
        return sees_all and [guild.id for guild in client.guilds] == [interaction.guild_id]

    async def _known_owners(self, client: discord.Client) -> Collection[int]:
        async with self._asking:
            if self._clock.monotonic() >= self._ask_at:
                await self._ask(client)
        return self._owners

    async def _ask(self, client: discord.Client) -> None:
        pause = ASK_AGAIN
        try:
            async with asyncio.timeout(ASK_LIMIT):
                self._owners = _owners(await client.application_info())
            pause = OWNERS_KEPT
        except Exception as error:  # discord.py lets the faults of its HTTP library through
            log.warning("Discord does not say whose bot this is: %r", error)
        self._ask_at = self._clock.monotonic() + pause


def _permissions(interaction: discord.Interaction) -> discord.Permissions:
    """Return what somebody may do in a guild that the bot is in, and nothing anywhere else."""
    user, guild_id = interaction.user, interaction.guild_id
    if guild_id is None or not isinstance(user, discord.Member) or interaction.client.get_guild(guild_id) is None:
        return discord.Permissions.none()
    return user.guild_permissions


def _owners(application: discord.AppInfo) -> frozenset[int]:
    team = application.team
    if team is None:
        return frozenset({application.owner.id})
    ruling = {
        member.id
        for member in team.members
        if member.membership_state is discord.TeamMembershipState.accepted and member.role in RULING_ROLES
    }
    return frozenset(ruling | ({team.owner_id} if team.owner_id else set()))
