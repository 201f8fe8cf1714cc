"""`ServerRegistry` over a database. Definitions are packed and unpacked in threads: they may be megabytes."""

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.jobs.server_registry import Compatibility, ServerRecord
from bot.storage.engine.base import Engine
from bot.storage.schema import database_info
from bot.storage.servers import compatibility, heartbeats, server_rows
from bot.workflow.graph.definitions import Definitions
from bot.workflow.run.needs import Abilities, Needs

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


log = logging.getLogger(__name__)


class SqlServerRegistry:
    """Implements `ServerRegistry`. `clock` times leases and heartbeats on SQLite; PostgreSQL uses its own clock."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._unpacked: dict[str, tuple[str, Definitions | None]] = {}
        """Fingerprint and definitions by server key, as last read; None if damaged."""
        self._installation = ""

    async def servers(self) -> Sequence[ServerRecord]:
        return await self._engine.read(lambda conn: server_rows.enabled(conn, self._clock()))

    async def register(self, urls: Mapping[str, str], *, all_there_are: bool = True) -> None:
        await self._engine.write(
            lambda conn, _again: server_rows.register(conn, urls, self._clock(), all_there_are=all_there_are)
        )

    async def add(self, key: str, url: str, name: str, by: int) -> ServerRecord:
        return await self._engine.write(
            lambda conn, _again: server_rows.add(conn, key, url, name, by, self._clock()), durable=True
        )

    async def remove(self, key: str) -> bool:
        return await self._engine.write(lambda conn, again: server_rows.remove(conn, key) or again, durable=True)

    async def drain(self, key: str, *, drained: bool) -> bool:
        return await self._engine.write(
            lambda conn, _again: server_rows.drain(conn, key, drained=drained), durable=True
        )

    async def report(self, key: str, health: str) -> None:
        await self._engine.write(lambda conn, _again: server_rows.report(conn, key, health), single=True)

    # ------------------------------------------------------------------ capabilities

    async def describe(self, key: str, abilities: Abilities) -> None:
        fingerprint, data = await asyncio.to_thread(lambda: (abilities.fingerprint, pack(abilities)))
        await self._engine.write(
            lambda conn, _again: server_rows.describe(
                conn, key, fingerprint=fingerprint, vram=abilities.vram, version=abilities.version, packed=data
            )
        )

    async def definitions(self) -> Mapping[str, tuple[str, Definitions]]:
        """Return the definitions by server; reads only those that have changed."""
        current = await self._engine.read(server_rows.described)
        kept = self._unpacked
        self._unpacked = {key: kept[key] for key, mark in current.items() if key in kept and kept[key][0] == mark}
        for key in current:
            if key not in self._unpacked and (found := await self._read(key)):
                fingerprint, abilities = found
                self._unpacked[key] = (fingerprint, None if abilities is None else abilities.definitions)
        read = ((key, *self._unpacked[key]) for key in current if key in self._unpacked)
        return {key: (fingerprint, known) for key, fingerprint, known in read if known is not None}

    async def abilities(self, key: str) -> Abilities | None:
        """Return what a server can do; None if unknown or damaged."""
        found = await self._read(key)
        return found[1] if found else None

    async def _read(self, key: str) -> tuple[str, Abilities | None] | None:
        """Return a server's fingerprint and abilities; None for abilities that can't be read."""
        kept = await self._engine.read(lambda conn: server_rows.description(conn, key))
        if kept is None:
            return None
        fingerprint, data = kept
        try:
            return fingerprint, await asyncio.to_thread(unpack, data)
        except ValueError as error:
            log.warning("the stored definitions of %s are damaged (%s)", key, error)
            return fingerprint, None

    async def unchecked_classes(self, key: str, limit: int = 200) -> Mapping[str, Needs]:
        return await self._engine.read(lambda conn: compatibility.unchecked_classes(conn, key, limit))

    async def record_compatibility(self, key: str, verdicts: Mapping[str, Compatibility], fingerprint: str) -> None:
        await self._engine.write(lambda conn, _again: compatibility.record(conn, key, verdicts, fingerprint))

    async def compatibility(self, cls: str) -> Mapping[str, Compatibility]:
        return await self._engine.read(lambda conn: compatibility.read(conn, cls))

    # ------------------------------------------------------------------ processes

    async def heartbeat(self, owner: str, role: str, ttl: float) -> Mapping[str, int]:
        return await self._engine.write(
            lambda conn, _again: heartbeats.heartbeat(conn, owner, role, ttl, self._clock())
        )

    async def deregister(self, owner: str) -> None:
        await self._engine.write(lambda conn, _again: heartbeats.deregister(conn, owner), single=True)

    async def database_id(self) -> str:
        if not self._installation:
            self._installation = await self._engine.write(
                lambda conn, _again: database_info.database_id(conn), durable=True
            )
        return self._installation
