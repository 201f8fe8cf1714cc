"""Ids as Discord makes them: milliseconds since 2015, then a counter. Bots read the age of things from them."""

import time
from datetime import UTC, datetime

EPOCH_MS = 1_420_070_400_000
TIMESTAMP_SHIFT = 22
COUNTER_MASK = (1 << TIMESTAMP_SHIFT) - 1


class Snowflakes:
    """Hands out ids that are unique within one server and grow with time."""

    def __init__(self) -> None:
        self._count = 0

    def next(self, *, age: float = 0.0) -> int:
        """Return a new id that looks `age` seconds old."""
        self._count = (self._count + 1) & COUNTER_MASK
        milliseconds = int((time.time() - age) * 1000) - EPOCH_MS
        return (milliseconds << TIMESTAMP_SHIFT) | self._count


def guild_id(number: int) -> int:
    """Return an id for the `number`th guild, so that neighbours live on different shards."""
    return (1_000_000 + number) << TIMESTAMP_SHIFT


def shard_of(guild: int | None, shards: int) -> int:
    """Return the shard that hears about a guild; everything outside guilds goes to shard 0."""
    return 0 if guild is None else (guild >> TIMESTAMP_SHIFT) % shards


def iso(seconds: float) -> str:
    """Return a time since the epoch as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
