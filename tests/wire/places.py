"""Guilds, channels, roles and people, and the objects Discord makes of them."""

from dataclasses import dataclass, field
from typing import Any

from tests.wire.snowflakes import iso

VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_HISTORY = 1 << 16
MANAGE_THREADS = 1 << 34
USE_COMMANDS = 1 << 31
SEND_IN_THREADS = 1 << 38
MEMBER_PERMISSIONS = (
    VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS | ATTACH_FILES | READ_HISTORY | USE_COMMANDS | SEND_IN_THREADS
)
ALL_PERMISSIONS = (1 << 53) - 1

TEXT, DM, GROUP_DM = 0, 1, 3
THREADS = (10, 11, 12)
JOINED = iso(1_700_000_000)


@dataclass(slots=True)
class WireUser:
    """A person or bot."""

    id: int
    name: str
    bot: bool = False

    def payload(self) -> dict[str, Any]:
        """Return the user object."""
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": None if self.bot else self.name.title(),
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
            "public_flags": 0,
        }

    def member(self, *, permissions: int, roles: list[int]) -> dict[str, Any]:
        """Return the member object of an interaction, without its user."""
        return {
            "roles": [str(role) for role in roles],
            "joined_at": JOINED,
            "nick": None,
            "avatar": None,
            "premium_since": None,
            "communication_disabled_until": None,
            "pending": False,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "permissions": str(permissions),
        }


@dataclass(slots=True)
class WireRole:
    """A role of a guild."""

    id: int
    name: str
    permissions: int = MEMBER_PERMISSIONS
    position: int = 1

    def payload(self) -> dict[str, Any]:
        """Return the role object."""
        return {
            "id": str(self.id),
            "name": self.name,
            "permissions": str(self.permissions),
            "position": self.position,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }


@dataclass(slots=True)
class WireChannel:
    """A channel of any kind; `app_permissions` is what the bot may do in it."""

    id: int
    name: str = "general"
    kind: int = TEXT
    guild_id: int | None = None
    parent_id: int | None = None
    recipient_id: int | None = None
    app_permissions: int = MEMBER_PERMISSIONS
    nsfw: bool = False
    archived: bool = False
    locked: bool = False
    position: int = 0

    def payload(self, bot_id: int) -> dict[str, Any]:
        """Return the channel object as guilds and interactions carry it."""
        data: dict[str, Any] = {"id": str(self.id), "type": self.kind, "flags": 0, "last_message_id": None}
        if self.guild_id is not None:
            data |= {"guild_id": str(self.guild_id), "name": self.name, "permissions": str(MEMBER_PERMISSIONS)}
            data |= {"parent_id": None if self.parent_id is None else str(self.parent_id), "rate_limit_per_user": 0}
            data |= self._thread(bot_id) if self.kind in THREADS else self._guild_channel(bot_id)
        return data

    def _guild_channel(self, bot_id: int) -> dict[str, Any]:
        denied = ALL_PERMISSIONS & ~self.app_permissions
        overwrite = {"id": str(bot_id), "type": 1, "allow": str(self.app_permissions), "deny": str(denied)}
        return {
            "position": self.position,
            "topic": None,
            "nsfw": self.nsfw,
            "permission_overwrites": [overwrite],
            "available_tags": [],
        }

    def _thread(self, bot_id: int) -> dict[str, Any]:
        metadata = {"archived": self.archived, "auto_archive_duration": 1440, "archive_timestamp": JOINED}
        return {
            "owner_id": str(bot_id),
            "message_count": 0,
            "member_count": 1,
            "thread_metadata": {**metadata, "locked": self.locked},
        }


@dataclass(slots=True)
class WireGuild:
    """A guild. One that the bot has not joined exists only inside interactions of user-installed commands."""

    id: int
    name: str = "guild"
    channels: list[WireChannel] = field(default_factory=list[WireChannel])
    roles: list[WireRole] = field(default_factory=list[WireRole])
    locale: str = "en-US"
    owner_id: int = 1
    joined: bool = True
    premium_tier: int = 0

    def partial(self) -> dict[str, Any]:
        """Return the guild object inside an interaction."""
        return {"id": str(self.id), "locale": self.locale, "features": []}

    def payload(self, bot: WireUser) -> dict[str, Any]:
        """Return the guild object of GUILD_CREATE."""
        everyone = WireRole(self.id, "@everyone", position=0)
        channels = [channel.payload(bot.id) for channel in self.channels]
        me = bot.member(permissions=MEMBER_PERMISSIONS, roles=[]) | {"user": bot.payload()}
        return {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner_id),
            "preferred_locale": self.locale,
            "premium_tier": self.premium_tier,
            "member_count": 3,
            "unavailable": False,
            "icon": None,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "system_channel_flags": 0,
            "nsfw_level": 0,
            "mfa_level": 0,
            "roles": [role.payload() for role in (everyone, *self.roles)],
            "channels": [data for data in channels if data["type"] not in THREADS],
            "threads": [data for data in channels if data["type"] in THREADS],
            "members": [me],
            **{name: [] for name in ("features", "emojis", "stickers", "voice_states", "presences", "stage_instances")},
        }
