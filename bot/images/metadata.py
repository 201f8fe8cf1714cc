"""Removes metadata from PNG, JPEG and WebP files without decoding any pixels.

ComfyUI embeds the whole graph in its results: prompts, model names, paths. An allow-list keeps only the parts that
affect how the image looks, so unknown kinds of metadata are removed too. Of EXIF only the orientation stays.
Sources: PNG 3rd edition, RFC 9649 (WebP), ITU-T T.81 (JPEG).
"""

import struct
from collections.abc import Callable, Iterator, Mapping

from bot.images.decode import orientation
from bot.images.file_type import (
    JPEG,
    PNG,
    WEBP,
    FileType,
)

_PNG_SIGNATURE = 8
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split()
)

_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_HAS_METADATA = 0x08 | 0x04
"""The VP8X flags that announce EXIF and XMP."""

_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SCAN = 0xDA
_JPEG_COMMENT = 0xFE
_JPEG_APPS = range(0xE0, 0xF0)
_JPEG_KEPT_APPS: Mapping[int, bytes] = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}


def strip_metadata(data: bytes, file_type: FileType) -> bytes:
    """Return `data` without metadata. Other file types are returned unchanged, damaged files as far as readable."""
    strip = _STRIPPERS.get(file_type)
    if strip is None:
        return data
    try:
        return strip(data)
    except (struct.error, IndexError):
        return data


def _strip_png(data: bytes) -> bytes:
    parts = [data[:_PNG_SIGNATURE]]
    parts += [data[start:end] for kind, start, end in _png_chunks(data) if kind in _PNG_KEPT]
    return b"".join(parts)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of each chunk, up to IEND; anything after it is not part of the image."""
    at = _PNG_SIGNATURE
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + length + 12
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end


def _strip_webp(data: bytes) -> bytes:
    body = b"WEBP" + b"".join(_webp_kept(data))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_kept(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2  # chunks start at even offsets
        chunk = data[at:end]
        if kind == b"VP8X":
            yield chunk[:8] + bytes([chunk[8] & ~_WEBP_HAS_METADATA]) + chunk[9:]
        elif kind in _WEBP_KEPT:
            yield chunk
        at = end


def _strip_jpeg(data: bytes) -> bytes:
    parts = [data[:2]]
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _JPEG_SCAN:
            break
        end = at + 2 if marker in _JPEG_STANDALONE else at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        parts.append(_jpeg_kept(marker, data[at:end]))
        at = end
    parts.append(data[at:])
    return b"".join(parts)


def _jpeg_kept(marker: int, segment: bytes) -> bytes:
    if marker == _JPEG_COMMENT:
        return b""
    if marker not in _JPEG_APPS:
        return segment
    payload = segment[4:]
    if marker in _JPEG_KEPT_APPS:
        return segment if payload.startswith(_JPEG_KEPT_APPS[marker]) else b""
    if payload.startswith(b"Exif\0\0"):
        return _orientation_only(payload)
    return b""


def _orientation_only(exif: bytes) -> bytes:
    """Return an APP1 segment with only the orientation; empty when the image is upright."""
    turned = orientation(exif)
    if turned == 1:
        return b""
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, turned, 0, 0)
    return struct.pack(">BBH", 0xFF, 0xE1, 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff


_STRIPPERS: Mapping[FileType, Callable[[bytes], bytes]] = {PNG: _strip_png, WEBP: _strip_webp, JPEG: _strip_jpeg}
