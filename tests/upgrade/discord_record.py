"""What stands on the wire-level Discord, written down as JSON, and a Discord on which all of it stands again.

Times are kept as seconds before the recording. Direct messages are left out: nothing in them can be pressed.
"""

import time
from base64 import b64decode, b64encode
from typing import Any

from tests.wire import WireChannel, WireDiscord, WireGuild, WireMessage, WireRole
from tests.wire.files import StoredFile
from tests.wire.messages import Content
from tests.wire.world import World

Json = dict[str, Any]


def recorded(wire: WireDiscord) -> Json:
    """Return guilds, commands and the messages of guilds, and when that was."""
    now = time.time()
    return {
        "at": now,
        "application_id": wire.world.application_id,
        "guilds": [_guild(guild) for guild in wire.world.guilds.values()],
        "commands": {str(scope): commands for scope, commands in wire.world.commands.scopes.items()},
        "messages": [_message(each, now) for each in wire.world.messages.values() if each.channel.guild_id is not None],
    }


def restored(record: Json, *, age: float) -> WireDiscord:
    """Return a Discord, not started yet, as it was recorded `age` seconds ago. No token of then is worth anything."""
    guilds = [_restored_guild(entry) for entry in record["guilds"]]
    wire = WireDiscord(guilds=guilds, application_id=record["application_id"])
    for scope, commands in record["commands"].items():
        wire.world.commands.scopes[None if scope == "None" else int(scope)] = commands
    for entry in record["messages"]:
        message = _restored_message(wire.world, entry, time.time() - age)
        wire.world.messages[message.id] = message
    return wire


def _guild(guild: WireGuild) -> Json:
    return {
        "id": guild.id,
        "owner_id": guild.owner_id,
        "channels": [{"id": channel.id, "name": channel.name} for channel in guild.channels],
        "roles": [{"id": role.id, "name": role.name} for role in guild.roles],
    }


def _restored_guild(entry: Json) -> WireGuild:
    channels = [WireChannel(**channel) for channel in entry["channels"]]
    roles = [WireRole(**role) for role in entry["roles"]]
    return WireGuild(entry["id"], channels=channels, roles=roles, owner_id=entry["owner_id"])


def _message(message: WireMessage, now: float) -> Json:
    return {
        "id": message.id,
        "channel_id": message.channel.id,
        "author_id": message.author.id,
        "age": round(now - message.created, 1),
        "kind": message.kind,
        "interaction": message.interaction,
        "application_id": message.application_id,
        "reference": message.reference,
        "nonce": message.nonce,
        "flags": message.flags,
        "components": message.components,
        "files": [_file(file) for file in message.attachments],
    }


def _restored_message(world: World, entry: Json, recorded_at: float) -> WireMessage:
    message = WireMessage(
        message_id=entry["id"],
        channel=world.channels[entry["channel_id"]],
        author=world.user(entry["author_id"]),
        changes=world.changes,
        kind=entry["kind"],
        interaction=entry["interaction"],
        application_id=entry["application_id"],
        reference=entry["reference"],
        nonce=entry["nonce"],
    )
    message.created = recorded_at - entry["age"]
    files = [world.store(_restored_file(file, message)) for file in entry["files"]]
    message.current = Content(components=entry["components"], files=files, flags=entry["flags"])
    return message


def _file(file: StoredFile) -> Json:
    return {
        "id": file.id,
        "name": file.name,
        "data": b64encode(file.data).decode(),
        "content_type": file.content_type,
        "description": file.description,
        "uploaded_as": file.uploaded_as,
    }


def _restored_file(entry: Json, message: WireMessage) -> StoredFile:
    restored: Json = entry | {"data": b64decode(entry["data"])}
    return StoredFile(**restored, channel_id=message.channel.id, ephemeral=message.is_ephemeral)
