"""Reads the texts in an EXIF block, whatever their tags. Sizes are bounded, and nothing read is trusted.

ComfyUI's nodes store their texts in camera tags (Make, Model, ImageDescription), others in UserComment.
Source: TIFF 6.0, EXIF 2.32.
"""

import struct
from collections.abc import Iterator

MAX_TAGS = 500

MAX_BYTES = 20 * 1024 * 1024
"""For all texts together: thousands of tags can point to the same bytes."""

_SUB_DIRECTORY = 0x8769
_BYTE, _ASCII, _UNDEFINED, _UTF8 = 1, 2, 7, 129
_TEXT_TYPES = frozenset({_BYTE, _ASCII, _UNDEFINED, _UTF8})
_LONG = 4


def texts_of(exif: bytes) -> Iterator[str]:
    """Yield the texts of the main and the EXIF directory. Raises `struct.error` if the block is damaged."""
    if len(exif) < 8:
        return
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        raise struct.error("neither byte order")
    directories = list(_directories(exif, order))
    left = MAX_BYTES
    for value in (each for directory in directories for each in _values(exif, order, directory)):
        left -= len(value)
        if left < 0:
            raise struct.error("too much text")
        yield _text(value)


def _directories(exif: bytes, order: str) -> Iterator[int]:
    """Yield the offsets of the main directory and of the first EXIF directory that it points to."""
    main = struct.unpack_from(f"{order}I", exif, 4)[0]
    yield main
    count = struct.unpack_from(f"{order}H", exif, main)[0]
    for number in range(min(count, MAX_TAGS)):
        tag, kind, _size, value = struct.unpack_from(f"{order}HHII", exif, main + 2 + 12 * number)
        if (tag, kind) == (_SUB_DIRECTORY, _LONG):
            yield value
            return


def _values(exif: bytes, order: str, at: int) -> Iterator[bytes]:
    """Yield the values of one directory that can be text."""
    count = struct.unpack_from(f"{order}H", exif, at)[0]
    for number in range(min(count, MAX_TAGS)):
        entry = at + 2 + 12 * number
        _tag, kind, size = struct.unpack_from(f"{order}HHI", exif, entry)
        if kind in _TEXT_TYPES:
            start = entry + 8 if size <= 4 else struct.unpack_from(f"{order}I", exif, entry + 8)[0]
            if start + size > len(exif):
                raise struct.error("value outside")
            yield exif[start : start + size]


def _text(value: bytes) -> str:
    """Decode a text; the first eight bytes of a UserComment name its encoding."""
    if value.startswith(b"UNICODE\0"):
        # Writers disagree on the byte order; the texts that matter start with a brace or a letter.
        return value[8:].decode("utf-16-be" if value[8:9] == b"\0" else "utf-16-le", "replace").strip("\0")
    return value.removeprefix(b"ASCII\0\0\0").decode("utf-8", "replace").strip("\0")
