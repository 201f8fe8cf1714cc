"""What a server can do, as bytes for a column: compressed JSON, of which a tenth is left. Never on the event loop."""

import zlib
from typing import Final

from bot.workflow.needs import Abilities

LARGEST: Final = 64 * 1024 * 1024
"""Bytes that are unpacked at most: servers have a tenth of it, but a few bytes can claim to be gigabytes."""


def pack(abilities: Abilities) -> bytes:
    """Return bytes for the column `server.definitions`."""
    return zlib.compress(abilities.to_json().encode("ascii"))


def unpack(data: bytes) -> Abilities:
    """Return what `pack` was given. Raises `ValueError` for anything else."""
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(data, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError("cut off, or too large")
    return Abilities.from_json(plain.decode("ascii"))
