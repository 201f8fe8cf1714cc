"""Creating and editing messages: Discord's rules for fields, flags, kept and added files, and who may."""

import time

from tests.wire.api_errors import ApiError, invalid_form
from tests.wire.files import StoredFile, clean_name, content_type_of
from tests.wire.http_json import Body, Json
from tests.wire.interactions import WireInteraction
from tests.wire.messages import COMPONENTS_V2, EPHEMERAL, LOADING, Content, WireMessage
from tests.wire.places import (
    ATTACH_FILES,
    MANAGE_THREADS,
    READ_HISTORY,
    SEND_IN_THREADS,
    SEND_MESSAGES,
    THREADS,
    VIEW_CHANNEL,
    WireChannel,
)
from tests.wire.ratelimits import RateLimits
from tests.wire.state import MIB
from tests.wire.validation import check_content, check_uploads
from tests.wire.world import World

SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS = 1 << 2, 1 << 12
CREATE_FLAGS = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
EDIT_FLAGS = SUPPRESS_EMBEDS | COMPONENTS_V2
BOOSTED_LIMITS = {2: 50 * MIB, 3: 100 * MIB}
MAX_NONCE = 25
REPLY = 19
FILE_INDEX_BELOW = 100
"""Ids of attachments below this are numbers of uploaded files; snowflakes are far above."""


class MessageBoard:
    """The only place where messages come to be and change."""

    def __init__(self, *, world: World, limits: RateLimits) -> None:
        self._world = world
        self._limits = limits

    def respond(self, interaction: WireInteraction, body: Body, *, via: str, loading: bool = False) -> WireMessage:
        """Create a message that answers an interaction; a loading one may be empty."""
        world = self._world
        message = WireMessage(
            message_id=world.snowflakes.next(),
            channel=interaction.origin.channel,
            author=world.bot,
            changes=interaction.changes,
            kind=20 if interaction.kind == 2 else 0,
            interaction=interaction.metadata(),
            application_id=world.application_id,
        )
        flags = body.payload.get("flags") or 0
        kept = EPHEMERAL if interaction.origin.force_ephemeral else flags & EPHEMERAL
        message.current.flags = kept | (LOADING if loading else 0)
        if loading:
            message.record(message.current, via=via, payload=body.payload, uploaded=())
        else:
            self._apply(message, body, via=via, flags=CREATE_FLAGS, file_limit=interaction.origin.size_limit)
        world.messages[message.id] = message
        return message

    def edit_by_token(self, interaction: WireInteraction, message: WireMessage, body: Body, *, via: str) -> None:
        """Edit over the token of an interaction; this also ends the state of thinking."""
        self._check_age(message)
        self._apply(message, body, via=via, flags=EDIT_FLAGS, file_limit=interaction.origin.size_limit)

    def post(self, channel_id: int, body: Body) -> WireMessage:
        """Create a message with the bot token, or return the one that has its enforced nonce. Raises ApiError."""
        channel = self.reachable(channel_id)
        self._check_recipient(channel)
        need = SEND_IN_THREADS if channel.kind in THREADS else SEND_MESSAGES
        self._check_rights(channel, need | (ATTACH_FILES if body.uploads else 0))
        if channel.locked and not channel.app_permissions & MANAGE_THREADS:
            raise ApiError(160005)
        reference = self._reference(channel, body.payload.get("message_reference"))
        if (earlier := self._with_nonce(channel, body.payload)) is not None:
            return earlier
        nonce = body.payload.get("nonce")
        message = WireMessage(
            message_id=self._world.snowflakes.next(),
            channel=channel,
            author=self._world.bot,
            changes=self._world.changes,
            kind=0 if reference is None else REPLY,
            application_id=None,
            reference=reference,
            nonce=None if nonce is None else str(nonce),
        )
        self._apply(message, body, via="bot", flags=CREATE_FLAGS, file_limit=self._limit_of(channel))
        self._world.messages[message.id] = message
        return message

    def edit_by_bot(self, message: WireMessage, body: Body) -> None:
        """Edit with the bot token. Raises ApiError when the bot may not."""
        if message.author.id != self._world.bot.id:
            raise ApiError(50005)
        self._check_rights(message.channel, ATTACH_FILES if body.uploads else 0)
        self._check_age(message)
        self._apply(message, body, via="bot", flags=EDIT_FLAGS, file_limit=self._limit_of(message.channel))

    def history(self, channel_id: int, *, before: int | None, after: int | None, limit: int) -> list[WireMessage]:
        """Return messages, newest first; none to a bot that may not read the history. Raises ApiError."""
        channel = self.reachable(channel_id)
        if channel.guild_id is not None and not channel.app_permissions & READ_HISTORY:
            return []
        seen = [
            message
            for message in self._world.messages.values()
            if message.channel.id == channel.id
            and not (message.deleted or message.is_ephemeral)
            and (before is None or message.id < before)
            and (after is None or message.id > after)
        ]
        seen.sort(key=lambda message: message.id)
        chosen = seen[:limit] if after is not None else seen[-limit:]
        return chosen[::-1]

    def change_thread(self, channel_id: int, payload: Json) -> WireChannel:
        """Archive a thread or wake it; a locked one only by who manages threads. Raises ApiError 50013."""
        channel = self.reachable(channel_id)
        manages = bool(channel.app_permissions & MANAGE_THREADS)
        may_wake = channel.app_permissions & SEND_IN_THREADS and not channel.locked
        if channel.kind not in THREADS or not (manages or (may_wake and payload.get("archived") is False)):
            raise ApiError(50013)
        channel.archived = bool(payload.get("archived", channel.archived))
        channel.locked = bool(payload.get("locked", channel.locked))
        return channel

    def reachable(self, channel_id: int) -> WireChannel:
        """Return a channel the bot token can see. Raises ApiError 10003 or 50001."""
        if channel_id not in self._world.channels and channel_id in self._world.deleted_channels:
            raise ApiError(10003)
        if not self._world.is_reachable(channel_id):
            raise ApiError(50001)
        channel = self._world.channels[channel_id]
        if channel.guild_id is not None and not channel.app_permissions & VIEW_CHANNEL:
            raise ApiError(50001)
        return channel

    def find(self, channel_id: int, message_id: int) -> WireMessage:
        """Return a message the bot token can see; ephemeral ones it never can. Raises ApiError 50001 or 10008."""
        self.reachable(channel_id)
        message = self._world.messages.get(message_id)
        if message is None or message.deleted or message.channel.id != channel_id or message.is_ephemeral:
            raise ApiError(10008)
        return message

    def _check_recipient(self, channel: WireChannel) -> None:
        if channel.recipient_id in self._world.state.closed_dms:
            raise ApiError(50007)
        if channel.recipient_id in self._world.state.strangers:
            raise ApiError(50278)

    def _with_nonce(self, channel: WireChannel, payload: Json) -> WireMessage | None:
        nonce = payload.get("nonce")
        if nonce is None:
            return None
        if len(str(nonce)) > MAX_NONCE:
            raise invalid_form("nonce", "NONCE_TYPE_TOO_LONG", f"Must be {MAX_NONCE} or fewer in length.")
        if not payload.get("enforce_nonce"):
            return None
        since = time.time() - self._world.state.nonce_seconds
        for message in self._world.messages.values():
            if message.channel.id == channel.id and message.nonce == str(nonce) and message.created >= since:
                return message
        return None

    def _reference(self, channel: WireChannel, wanted: Json | None) -> int | None:
        if wanted is None:
            return None
        if channel.guild_id is not None and not channel.app_permissions & READ_HISTORY:
            raise ApiError(160002)
        target = self._world.messages.get(int(wanted["message_id"]))
        if target is not None and not target.deleted and target.channel.id == channel.id:
            return target.id
        if wanted.get("fail_if_not_exists", True):
            raise invalid_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return None

    def _check_rights(self, channel: WireChannel, need: int) -> None:
        if channel.archived:
            raise ApiError(50083)
        if channel.guild_id is not None and channel.app_permissions & need != need:
            raise ApiError(50013)

    def _check_age(self, message: WireMessage) -> None:
        if time.time() - message.created > self._world.state.old_after:
            self._limits.take_old_edit(message.channel.id)

    def _limit_of(self, channel: WireChannel) -> int:
        tier = self._world.guilds[channel.guild_id].premium_tier if channel.guild_id is not None else 0
        return max(self._world.state.file_limit, BOOSTED_LIMITS.get(tier, 0))

    def _apply(self, message: WireMessage, body: Body, *, via: str, flags: int, file_limit: int) -> None:
        uploads = list(body.uploads.values())
        check_uploads(uploads, file_limit=file_limit, request_limit=self._world.state.request_limit)
        new = message.current.copy()
        _set_fields(new, body.payload, flags)
        new.files = self._files(message, body)
        check_content(new)
        if message.edits:
            message.edited = time.time()
        self._exchange_files(message.attachments, new.files)
        message.record(new, via=via, payload=body.payload, uploaded=tuple(upload.name for upload in uploads))

    def _exchange_files(self, old: list[StoredFile], new: list[StoredFile]) -> None:
        for file in old:
            self._world.files.pop(file.id, None)
        for file in new:
            self._world.store(file)

    def _files(self, message: WireMessage, body: Body) -> list[StoredFile]:
        listed: list[Json] | None = body.payload.get("attachments")
        existing = {file.id: file for file in message.attachments}
        added = {int(entry["id"]): entry for entry in listed or [] if int(entry["id"]) < FILE_INDEX_BELOW}
        if listed is None:
            kept = list(existing.values())
        else:
            kept = [_kept(entry, existing) for entry in listed if int(entry["id"]) >= FILE_INDEX_BELOW]
        if unknown := added.keys() - body.uploads.keys():
            raise invalid_form("attachments", "ATTACHMENT_NOT_FOUND", f"Attachment data {sorted(unknown)} not found")
        return kept + [
            StoredFile(
                self._world.snowflakes.next(),
                clean_name(upload.name),
                upload.data,
                message.channel.id,
                content_type_of(upload.name),
                description=added.get(number, {}).get("description"),
                ephemeral=message.is_ephemeral,
                uploaded_as=upload.name,
            )
            for number, upload in sorted(body.uploads.items())
        ]


def _set_fields(new: Content, payload: Json, allowed_flags: int) -> None:
    if "content" in payload:
        new.content = payload["content"] or ""
    if "embeds" in payload:
        new.embeds = payload["embeds"] or []
    if "components" in payload:
        new.components = payload["components"] or []
    if payload.get("flags") is not None:
        wanted = payload["flags"] & allowed_flags
        if new.is_v2 and not wanted & COMPONENTS_V2:
            message = "The IS_COMPONENTS_V2 flag cannot be removed"
            raise invalid_form("flags", "MESSAGE_CANNOT_REMOVE_COMPONENTS_V2_FLAG", message)
        new.flags = (new.flags & ~allowed_flags) | wanted
    new.flags &= ~LOADING


def _kept(entry: Json, existing: dict[int, StoredFile]) -> StoredFile:
    file = existing.get(int(entry["id"]))
    if file is None:
        raise invalid_form("attachments", "ATTACHMENT_NOT_FOUND", f"Attachment {entry['id']} not found")
    if "description" in entry:
        file.description = entry["description"]
    return file
