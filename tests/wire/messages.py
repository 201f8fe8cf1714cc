"""One message: what it says now, and everything that was ever done to it."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

from tests.wire.changes import Changes
from tests.wire.components import ATTACHMENT_SCHEME, media_urls, rendered, texts, walk
from tests.wire.files import StoredFile
from tests.wire.http_json import Json
from tests.wire.places import WireChannel, WireUser
from tests.wire.snowflakes import iso

EPHEMERAL = 1 << 6
LOADING = 1 << 7
COMPONENTS_V2 = 1 << 15


@dataclass(slots=True)
class Content:
    """What a message shows. A request is applied to a copy, and only a valid copy is kept."""

    content: str = ""
    embeds: list[Json] = field(default_factory=list[Json])
    components: list[Json] = field(default_factory=list[Json])
    files: list[StoredFile] = field(default_factory=list[StoredFile])
    flags: int = 0

    @property
    def is_v2(self) -> bool:
        """Whether components carry all of it."""
        return bool(self.flags & COMPONENTS_V2)

    @property
    def text(self) -> str:
        """All that a person reads, in order: content, text displays, embeds."""
        parts = [self.content, *texts(self.components)]
        for embed in self.embeds:
            parts += [embed.get("title", ""), embed.get("description", "")]
            parts += [f"{entry.get('name')}: {entry.get('value')}" for entry in embed.get("fields", [])]
        return "\n".join(part for part in parts if part)

    def copy(self) -> "Content":
        """Return a copy whose lists of files may change."""
        return replace(self, files=list(self.files))


@dataclass(frozen=True, slots=True)
class Edit:
    """One creation or edit: when (monotonic), over which way, what was sent, and what the message was then."""

    at: float
    via: str
    """`callback`, `token` or `bot`."""
    payload: Json
    uploaded: tuple[str, ...]
    text: str
    files: tuple[str, ...]


class WireMessage:
    """A message in a channel; `current` is what it shows."""

    def __init__(
        self,
        *,
        message_id: int,
        channel: WireChannel,
        author: WireUser,
        changes: Changes,
        kind: int = 0,
        interaction: Json | None = None,
        application_id: int | None = None,
        reference: int | None = None,
        nonce: str | None = None,
    ) -> None:
        self.id = message_id
        self.channel = channel
        self.author = author
        self.changes = changes
        self.kind = kind
        self.interaction = interaction
        self.application_id = application_id
        self.reference = reference
        """The message that this one replies to."""
        self.nonce = nonce
        self.created = time.time()
        self.edited: float | None = None
        self.deleted = False
        self.current = Content()
        self.edits: list[Edit] = []

    @property
    def content(self) -> str:
        """The plain content."""
        return self.current.content

    @property
    def text(self) -> str:
        """See `Content.text`."""
        return self.current.text

    @property
    def flags(self) -> int:
        """The flag bits."""
        return self.current.flags

    @property
    def components(self) -> list[Json]:
        """The components, as the bot sent them."""
        return self.current.components

    @property
    def attachments(self) -> list[StoredFile]:
        """All files, with `name` and `data`, whether or not a component shows them."""
        return self.current.files

    @property
    def is_ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return bool(self.flags & EPHEMERAL)

    @property
    def is_loading(self) -> bool:
        """Whether it still says that the bot is thinking."""
        return bool(self.flags & LOADING)

    @property
    def buttons(self) -> dict[str, Json]:
        """Buttons and selects by custom id."""
        return {entry["custom_id"]: entry for entry in walk(self.components) if "custom_id" in entry}

    def record(self, new: Content, *, via: str, payload: Json, uploaded: tuple[str, ...]) -> None:
        """Keep a valid new state and wake those who wait for it."""
        self.current = new
        names = tuple(file.name for file in new.files)
        self.edits.append(Edit(time.monotonic(), via, payload, uploaded, new.text, names))
        self.changes.notify()

    def delete(self) -> None:
        """Take it away, as its bot or a moderator does."""
        self.deleted = True
        self.changes.notify()

    def payload(self, base: str, lifetime: float) -> Json:
        """Return the message object; as on Discord, `attachments` lacks the files that components or embeds show."""
        shown = self._shown()
        data: dict[str, Any] = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "author": self.author.payload(),
            "content": self.content,
            "timestamp": iso(self.created),
            "edited_timestamp": None if self.edited is None else iso(self.edited),
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [file.payload(base, lifetime) for file in self.attachments if file.id not in shown],
            "embeds": self.current.embeds,
            "components": rendered(self.components, lambda name: self._media(name, base, lifetime)),
            "pinned": False,
            "type": self.kind,
            "flags": self.flags,
        }
        if self.application_id is not None:
            data |= {"application_id": str(self.application_id), "webhook_id": str(self.application_id)}
        if self.interaction is not None:
            data["interaction_metadata"] = self.interaction
        if self.nonce is not None:
            data["nonce"] = self.nonce
        if self.reference is not None:
            data["message_reference"] = {"type": 0, "message_id": str(self.reference), "channel_id": data["channel_id"]}
        return data

    def _shown(self) -> set[int]:
        urls = [*media_urls(self.components)]
        urls += [embed[key]["url"] for embed in self.current.embeds for key in ("image", "thumbnail") if key in embed]
        names = {url.removeprefix(ATTACHMENT_SCHEME) for url in urls}
        paths = [f"/{file.channel_id}/{file.id}/" for file in self.attachments]
        return {
            file.id
            for file, path in zip(self.attachments, paths, strict=True)
            if any(file.answers_to(name) for name in names) or any(path in url for url in urls)
        }

    def _media(self, name: str, base: str, lifetime: float) -> Json:
        file = next(file for file in self.attachments if file.answers_to(name))
        data = file.payload(base, lifetime)
        kept = ("url", "proxy_url", "width", "height", "content_type")
        return {key: data[key] for key in kept if key in data} | {"attachment_id": str(file.id)}
