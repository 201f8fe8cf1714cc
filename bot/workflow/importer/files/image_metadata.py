"""Finds the workflow that ComfyUI embedded in an image: the submitted graph, and the UI-format document.

Reads containers only, no pixels: text chunks of PNG, EXIF of WebP and JPEG. All sizes are bounded.
Sources: PNG 3rd edition, RFC 9649 (WebP), ITU-T T.81 (JPEG).
"""

import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from bot.i18n import _
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.files.exif import texts_of
from bot.workflow.json_access import mapping

MAX_TEXT = 5 * 1024 * 1024
"""Bytes of one text when unpacked; the largest official workflow has 270 kB."""

PROMPT, WORKFLOW = "prompt", "workflow"

Written = dict[str, Any]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"comf"})
"""`comf` is what ComfyUI writes into animated PNG."""

_JPEG = b"\xff\xd8"
_JPEG_SCAN = 0xDA
_JPEG_APP1 = 0xE1
_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})

_LABEL = re.compile(r"\s*(prompt|workflow)\s*:", re.IGNORECASE)


class _BrokenError(Exception):
    """A container is cut off or damaged."""


def read_image_workflow(data: bytes) -> tuple[Written | None, Written | None]:
    """Return `(prompt, workflow)`: the API graph and the UI document in a PNG, WebP or JPEG, or None for each.

    Raises `WorkflowImportError` if the file is none of these, or what it contains cannot be read.
    """
    found: dict[str, Written] = {}
    try:
        for name, text in _texts(data):
            found.setdefault(name, _decoded(text))
    except (_BrokenError, struct.error) as err:
        if not any(found.values()):
            raise WorkflowImportError(
                _("is damaged: its workflow cannot be read. Use the original file, not a copy from a chat.")
            ) from err
    return found.get(PROMPT) or None, found.get(WORKFLOW) or None


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the texts that are labelled as prompt or workflow."""
    if data.startswith(_PNG):
        yield from _png_texts(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _labelled(texts_of(_webp_exif(data)))
    elif data.startswith(_JPEG):
        yield from _labelled(texts_of(_jpeg_exif(data)))
    else:
        raise WorkflowImportError(_("is not a PNG, WebP or JPEG image."))


def _decoded(text: str) -> Written:
    """Decode JSON as ComfyUI writes it: it may contain a bare NaN, which cannot be submitted again."""
    if len(text) > MAX_TEXT:
        raise _BrokenError
    try:
        return dict(mapping(json.loads(text, parse_constant=lambda _name: None)))
    except (ValueError, RecursionError) as err:
        raise _BrokenError from err


# ------------------------------------------------------------------ PNG


def _png_texts(data: bytes) -> Iterator[tuple[str, str]]:
    wanted = {PROMPT, WORKFLOW}
    for kind, body in _png_chunks(data):
        key, _end, rest = body[:MAX_TEXT].partition(b"\0")
        name = key[:16].decode("latin-1").casefold()
        if name in wanted:
            wanted.remove(name)  # only the first of each: a hostile file can hold thousands to unpack
            yield name, _png_text(kind, rest)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the text chunks. Raises `_BrokenError` if one is damaged, or the file ends within a chunk.

    Some tools append the workflow after the end of the image, where ComfyUI's editor finds it too; anything else there
    is ignored.
    """
    at, is_over = len(_PNG), False
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at) if at + 8 <= len(data) else (len(data), b"")
        end = at + 8 + length
        body = data[at + 8 : end] if kind in _PNG_TEXTS else b""
        is_whole = end + 4 <= len(data)
        if is_over and not is_whole:
            return
        # Those tools write no valid checksum at the end of a chunk
        if not is_whole or (body and not is_over and zlib.crc32(kind + body) != struct.unpack_from(">I", data, end)[0]):
            raise _BrokenError
        if body:
            yield kind, body
        is_over = is_over or kind == b"IEND"
        at = end + 4


def _png_text(kind: bytes, rest: bytes) -> str:
    if kind == b"zTXt":
        return _unpacked(rest[1:]).decode("latin-1")
    if kind == b"iTXt":
        is_packed = rest[:1] == b"\1"
        _language, _end, rest = rest[2:].partition(b"\0")
        _translated, _end, body = rest.partition(b"\0")
        return (_unpacked(body) if is_packed else body).decode("utf-8", "replace")
    return rest.decode("latin-1")


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_TEXT + 1)
    except zlib.error as err:
        raise _BrokenError from err


# ------------------------------------------------------------------ WebP, JPEG


def _webp_exif(data: bytes) -> bytes:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            if at + 8 + length > len(data):
                raise _BrokenError
            return data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
        at += 8 + length + length % 2  # chunks begin at even offsets
    return b""


def _jpeg_exif(data: bytes) -> bytes:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _JPEG_SCAN:
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        if data[at + 1] in _JPEG_STANDALONE:
            at += 2
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        segment = data[at + 4 : at + 2 + length]
        if data[at + 1] == _JPEG_APP1 and segment.startswith(b"Exif\0\0"):
            if at + 2 + length > len(data):
                raise _BrokenError
            return segment[6:]
        at += 2 + length
    return b""


def _labelled(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield texts by label: `workflow:{…}` as ComfyUI writes it, or one JSON object with both, as others do."""
    for text in texts:
        label = _LABEL.match(text)
        if label:
            yield label[1].casefold(), text[label.end() :]
        elif text.lstrip().startswith("{"):
            both = _object(text)
            for name in (PROMPT, WORKFLOW):
                if name in both:
                    yield name, both[name] if isinstance(both[name], str) else json.dumps(both[name])


def _object(text: str) -> Written:
    """Parse what may be JSON, or any comment that begins with a brace."""
    try:
        return _decoded(text)
    except _BrokenError:
        return {}
