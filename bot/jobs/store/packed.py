"""A server's abilities as compressed JSON, a tenth of the size. Too slow for the event loop."""

import zlib
from typing import Final

from bot.workflow.needs import Abilities

LARGEST: Final = 64 * 1024 * 1024
"""Limit for unpacked bytes: real servers need a tenth, but a few bytes can claim to be gigabytes."""


def pack(abilities: Abilities) -> bytes:
    return zlib.compress(abilities.to_json().encode("ascii"))


def unpack(data: bytes) -> Abilities:
    """Reverse `pack`. Raises `ValueError` for damaged data."""
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(data, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError("cut off, or too large")
    return Abilities.from_json(plain.decode("ascii"))
