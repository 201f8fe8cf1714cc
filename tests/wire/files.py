"""Files: what a person attaches, and what the CDN keeps."""

import secrets
import struct
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a person puts into an option or a modal, with the faults its download shall have."""

    filename: str
    data: bytes
    content_type: str | None = "image/png"
    size: int | None = None
    """The size that Discord announces, when it shall differ from the real one."""
    status: int = 200
    delay: float = 0.0


@dataclass(slots=True)
class StoredFile:
    """A file on the CDN."""

    id: int
    name: str
    data: bytes
    channel_id: int
    content_type: str | None = None
    description: str | None = None
    ephemeral: bool = False
    announced_size: int | None = None
    status: int = 200
    delay: float = 0.0
    uploaded_as: str = ""
    """The name before Discord cleaned it; `attachment://` may use either."""
    signature: str = field(default_factory=lambda: secrets.token_hex(16))

    def url(self, base: str, lifetime: float) -> str:
        """Return the signed address, which ends to work after `lifetime` seconds."""
        folder = "ephemeral-attachments" if self.ephemeral else "attachments"
        now = int(time.time())
        query = f"ex={now + int(lifetime):x}&is={now:x}&hm={self.signature}"
        return f"{base}/{folder}/{self.channel_id}/{self.id}/{quote(self.name, safe='')}?{query}"

    def payload(self, base: str, lifetime: float) -> dict[str, Any]:
        """Return the attachment object."""
        url = self.url(base, lifetime)
        size = len(self.data) if self.announced_size is None else self.announced_size
        data: dict[str, Any] = {
            "id": str(self.id),
            "filename": self.name,
            "size": size,
            "url": url,
            "proxy_url": url,
        }
        optional = {"content_type": self.content_type, "description": self.description}
        data.update({name: value for name, value in optional.items() if value is not None})
        if self.ephemeral:
            data["ephemeral"] = True
        if dimensions := png_dimensions(self.data):
            data["width"], data["height"] = dimensions
        return data

    def answers_to(self, name: str) -> bool:
        """Tell whether `attachment://<name>` means this file."""
        return name in (self.name, self.uploaded_as)


def png_dimensions(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG in pixels, from its header."""
    if not data.startswith(PNG_SIGNATURE) or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def clean_name(name: str) -> str:
    """Return a file name as Discord stores it: spaces become underscores, other special characters go."""
    kept = "".join(char if char.isalnum() or char in "._-" else "_" if char == " " else "" for char in name)
    return kept or "unknown"


CONTENT_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
}


def content_type_of(name: str) -> str | None:
    """Return the type that Discord derives from the extension; unknown ones have none."""
    return CONTENT_TYPES.get(name.rpartition(".")[2].lower())
