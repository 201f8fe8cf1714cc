"""`ServerRegistry` over a database. Definitions are packed and unpacked in threads: they may be megabytes."""

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from bot.storage.engine.base import Engine
from bot.storage.schema import database_info
from bot.storage.servers import compatibility, heartbeats, server_rows
from bot.storage.sql_repository import SqlRepository, reads, timed_reads, timed_writes, writes
from bot.workflow.graph.definitions import Definitions
from bot.workflow.run.needs import Abilities

log = logging.getLogger(__name__)

MAX_UNPACKED_BYTES: Final = 64 * 1024 * 1024
"""Real servers need a tenth, but a few bytes can claim to be gigabytes."""


class SqlServerRegistry(SqlRepository):
    """Implements `ServerRegistry`."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        super().__init__(engine, clock)
        self._unpacked: dict[str, tuple[str, Definitions | None]] = {}
        """Fingerprint and definitions by server key, as last read; None if damaged."""
        self._database_id = ""

    servers = timed_reads(server_rows.enabled)
    register = timed_writes(server_rows.register)
    add = timed_writes(server_rows.add, durable=True)
    drain = writes(server_rows.drain, durable=True)
    report = writes(server_rows.report, single=True)

    async def remove(self, key: str) -> bool:
        return await self.engine.write(lambda conn, again: server_rows.remove(conn, key) or again, durable=True)

    # ------------------------------------------------------------------ capabilities

    async def describe(self, key: str, abilities: Abilities) -> None:
        fingerprint, data = await asyncio.to_thread(lambda: (abilities.fingerprint, pack(abilities)))
        await self.engine.write(
            lambda conn, _again: server_rows.describe(
                conn, key, fingerprint=fingerprint, vram=abilities.vram, version=abilities.version, packed=data
            )
        )

    async def definitions(self) -> Mapping[str, tuple[str, Definitions]]:
        """Return the definitions by server; reads only those that have changed."""
        current = await self.engine.read(server_rows.described)
        cached = self._unpacked
        self._unpacked = {
            key: cached[key] for key, fingerprint in current.items() if key in cached and cached[key][0] == fingerprint
        }
        for key in current:
            if key not in self._unpacked and (found := await self._read(key)):
                self._unpacked[key] = found
        read = ((key, *self._unpacked[key]) for key in current if key in self._unpacked)
        return {key: (fingerprint, known) for key, fingerprint, known in read if known is not None}

    async def _read(self, key: str) -> tuple[str, Definitions | None] | None:
        """Return a server's fingerprint and definitions, None for damaged ones; None if it has been removed."""
        stored = await self.engine.read(lambda conn: server_rows.description(conn, key))
        if stored is None:
            return None
        fingerprint, data = stored
        try:
            return fingerprint, (await asyncio.to_thread(unpack, data)).definitions
        except ValueError as error:
            log.warning("the stored definitions of %s are damaged (%s)", key, error)
            return fingerprint, None

    unchecked_classes = reads(compatibility.unchecked_classes)
    record_compatibility = writes(compatibility.record)
    compatibility = reads(compatibility.read)

    # ------------------------------------------------------------------ processes

    heartbeat = timed_writes(heartbeats.heartbeat)
    deregister = writes(heartbeats.deregister, single=True)

    async def database_id(self) -> str:
        if not self._database_id:
            self._database_id = await self.engine.write(
                lambda conn, _again: database_info.database_id(conn), durable=True
            )
        return self._database_id


def pack(abilities: Abilities) -> bytes:
    return zlib.compress(abilities.to_json().encode("ascii"))


def unpack(data: bytes) -> Abilities:
    """Reverse `pack`. Raises `ValueError` for damaged data."""
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError("cut off, or too large")
    return Abilities.from_json(plain.decode("ascii"))
