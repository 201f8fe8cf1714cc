"""Building INTERACTION_CREATE: who, where, under which installation, in which language."""

from typing import Any, TypedDict

from tests.wire.http_json import Json
from tests.wire.interactions import Origin, WireInteraction
from tests.wire.messages import WireMessage
from tests.wire.places import MEMBER_PERMISSIONS, WireChannel, WireGuild
from tests.wire.world import World

IN_GUILD, IN_BOT_DM, IN_PRIVATE_CHANNEL = 0, 1, 2
DEFAULT_USER = 4_242


class Where(TypedDict, total=False):
    """Who acts, and where; without any of these, a member in the first channel of the first guild."""

    user_id: int
    guild: WireGuild
    channel: WireChannel
    context: int
    """0 in a guild, 1 in the bot's direct messages, 2 in another conversation of the user."""
    user_install: bool
    """Only this user brought the bot; without `guild`, they are in one that the bot has not joined."""
    locale: str
    permissions: int
    roles: list[int]
    size_limit: int
    force_ephemeral: bool
    """The bot may not speak publicly here (no USE_EXTERNAL_APPS)."""
    age: float
    """How many seconds ago it shall seem to have happened; the token is that much older."""


class Invocations:
    """Makes interactions and their payloads."""

    def __init__(self, *, world: World) -> None:
        self._world = world
        self._strangers: WireGuild | None = None

    def origin(self, where: Where) -> Origin:
        """Fill in what was left open."""
        user_id = where.get("user_id", DEFAULT_USER)
        channel = self._channel(where, user_id)
        guild = None if channel.guild_id is None else self._world.guilds[channel.guild_id]
        default_context = IN_BOT_DM if guild is None else IN_GUILD
        context = where.get("context", default_context)
        return Origin(
            user=self._world.user(user_id),
            channel=channel,
            guild=guild,
            context=context,
            owners=_owners(where, context, user_id, guild),
            locale=where.get("locale", "en-US"),
            permissions=where.get("permissions", MEMBER_PERMISSIONS),
            roles=where.get("roles", []),
            size_limit=where.get("size_limit", self._world.state.file_limit),
            force_ephemeral=where.get("force_ephemeral", False),
            age=where.get("age", 0.0),
        )

    def open(self, kind: int, name: str, origin: Origin, source: WireMessage | None = None) -> WireInteraction:
        """Make an interaction that the REST interface knows."""
        interaction_id = self._world.snowflakes.next(age=origin.age)
        return self._world.open(
            WireInteraction(interaction_id=interaction_id, kind=kind, name=name, origin=origin, source=source)
        )

    def payload(self, interaction: WireInteraction, data: Json) -> Json:
        """Return the event that tells the bot."""
        origin, world = interaction.origin, self._world
        event: Json = {
            "id": str(interaction.id),
            "application_id": str(world.application_id),
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel_id": str(origin.channel.id),
            "channel": world.channel_payload(origin.channel),
            "app_permissions": str(origin.channel.app_permissions),
            "locale": origin.locale,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": origin.owners,
            "context": origin.context,
            "attachment_size_limit": origin.size_limit,
        }
        if interaction.source is not None:
            event["message"] = world.message_payload(interaction.source)
        return event | _person(origin)

    def where_of(self, message: WireMessage, where: Where) -> Where:
        """Return `where` for an action on a message: in its channel, unless said otherwise."""
        merged: Where = {"channel": message.channel, **where}
        owners: Any = (message.interaction or {}).get("authorizing_integration_owners", {})
        if "user_install" not in merged and set(owners) == {"1"}:
            merged["user_install"] = True
        return merged

    def _channel(self, where: Where, user_id: int) -> WireChannel:
        context = where.get("context", IN_GUILD)
        if "channel" in where:
            return where["channel"]
        if "guild" in where:
            return where["guild"].channels[0]
        if context == IN_BOT_DM:
            return self._world.dm_with(user_id)
        if context == IN_PRIVATE_CHANNEL:
            return self._world.private_channel(user_id)
        if where.get("user_install"):
            return self._strange_guild().channels[0]
        return next(iter(self._world.guilds.values())).channels[0]

    def _strange_guild(self) -> WireGuild:
        if self._strangers is None:
            guild = WireGuild(self._world.snowflakes.next(), "strangers", joined=False)
            self._strangers = self._world.add_guild(guild)
        return self._strangers


def _owners(where: Where, context: int, user_id: int, guild: WireGuild | None) -> dict[str, str]:
    if where.get("user_install") or context == IN_PRIVATE_CHANNEL:
        return {"1": str(user_id)}
    return {"0": "0" if guild is None else str(guild.id)}


def _person(origin: Origin) -> Json:
    if origin.guild is None:
        return {"user": origin.user.payload()}
    member = origin.user.member(permissions=origin.permissions, roles=origin.roles)
    return {
        "guild_id": str(origin.guild.id),
        "guild": origin.guild.partial(),
        "guild_locale": origin.guild.locale,
        "member": {**member, "user": origin.user.payload()},
    }
