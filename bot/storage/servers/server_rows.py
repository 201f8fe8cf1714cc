"""Transactions on the server table: registration, names and capabilities.

Leases of other things also have rows here, without a URL (see `leases`). Rows are written in key order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.server_registry import ServerRecord
from bot.storage.engine.dialect import advisory_lock, insert, lease_time, storable
from bot.storage.schema.tables import fit as fits
from bot.storage.schema.tables import server as servers

SETTINGS: Final = "settings"
COMMAND: Final = "command"
MAX_NAME_LENGTH: Final = 32
"""Characters of a server's name."""

_ADVISORY_LOCK: Final = 0x636F6D6675
"""Shared by all processes that add servers to the same PostgreSQL, so that names stay unique."""
_IS_SERVER: Final = servers.c.url != ""
_READ: Final = (
    servers.c.server_id, servers.c.url, servers.c.name, servers.c.source, servers.c.added_by, servers.c.enabled,
    servers.c.paused, servers.c.version, servers.c.vram, servers.c.fingerprint, servers.c.health,
)  # fmt: skip


def enabled(conn: Connection, now: float) -> Sequence[ServerRecord]:
    return [record for record in _known(conn, now).values() if record.enabled]


def register(conn: Connection, now: float, urls: Mapping[str, str], *, all_there_are: bool = True) -> None:
    advisory_lock(conn, _ADVISORY_LOCK)
    known = _known(conn, now)
    new = dict(known)
    for key, record in known.items():
        if all_there_are and record.source == SETTINGS and key not in urls:
            new[key] = replace(record, enabled=False)
    for key, url in urls.items():
        former = new.get(key) or ServerRecord(key=key, url=url, name="", source=SETTINGS, enabled=False)
        new[key] = _enabled(former, former.name, url, new)
    _write(conn, known, new)


def add(conn: Connection, now: float, key: str, url: str, name: str, by: int) -> ServerRecord:
    advisory_lock(conn, _ADVISORY_LOCK)
    known = _known(conn, now)
    former = known.get(key) or ServerRecord(key=key, url=url, name="", enabled=False)
    added = replace(former, source=COMMAND, added_by=by)
    new = _enabled(added, storable(name)[:MAX_NAME_LENGTH].strip() or former.name, url, known)
    _write(conn, known, {**known, key: new})
    return new


def remove(conn: Connection, key: str) -> bool:
    return _change(conn, key, enabled=False)


def drain(conn: Connection, key: str, *, drained: bool) -> bool:
    return _change(conn, key, paused=drained)


def report(conn: Connection, key: str, health: str) -> None:
    this = sa.update(servers).where(servers.c.server_id == key, servers.c.health != health)
    conn.execute(this.values(health=health))


def _change(conn: Connection, key: str, **values: object) -> bool:
    this = sa.update(servers).where(servers.c.server_id == storable(key), _IS_SERVER, servers.c.enabled)
    return bool(conn.execute(this.values(values)).rowcount)


# ------------------------------------------------------------------ capabilities


def described(conn: Connection) -> dict[str, str]:
    """Return the fingerprints of all enabled servers with stored definitions, by key."""
    query = sa.select(servers.c.server_id, servers.c.fingerprint).where(
        _IS_SERVER, servers.c.enabled, servers.c.definitions.is_not(None)
    )
    return dict(conn.execute(query.order_by(servers.c.place)).all())


def description(conn: Connection, key: str) -> tuple[str, bytes] | None:
    """Return a server's fingerprint and its packed definitions."""
    query = sa.select(servers.c.fingerprint, servers.c.definitions).where(
        servers.c.server_id == key, servers.c.definitions.is_not(None)
    )
    row = conn.execute(query).first()
    return None if row is None else (row.fingerprint, bytes(row.definitions))


def describe(conn: Connection, key: str, *, fingerprint: str, vram: int, version: str, packed: bytes) -> None:
    this = sa.select(servers.c.fingerprint).where(servers.c.server_id == key, _IS_SERVER).with_for_update()
    former = conn.scalar(this)
    if former is None:
        return
    if former != fingerprint:
        conn.execute(sa.delete(fits).where(fits.c.server_id == key))
    stored = servers.c.definitions
    differs = sa.or_(servers.c.fingerprint != fingerprint, stored.is_(None), stored != packed)
    conn.execute(
        sa.update(servers)
        .where(servers.c.server_id == key, differs)
        .values(fingerprint=fingerprint, vram=vram, version=storable(version), definitions=packed)
    )


# ------------------------------------------------------------------ rows


def _known(conn: Connection, now: float) -> dict[str, ServerRecord]:
    """Return all servers, including removed ones, in the order they were added."""
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    owner = sa.case((servers.c.lease_until >= time, servers.c.owner), else_="").label("owner")
    query = sa.select(*_READ, owner).where(_IS_SERVER).order_by(servers.c.place, servers.c.server_id)
    return {row["server_id"]: _record(row) for row in conn.execute(query).mappings()}


def _record(row: Mapping[Any, Any]) -> ServerRecord:
    plain = {name: row[name] for name in (
        "url", "name", "source", "enabled", "owner", "version", "vram", "fingerprint", "health"
    )}  # fmt: skip
    by = row["added_by"]
    return ServerRecord(key=row["server_id"], added_by=int(by) if by.isdecimal() else 0, drained=row["paused"], **plain)


def _enabled(record: ServerRecord, name: str, url: str, known: Mapping[str, ServerRecord]) -> ServerRecord:
    """Return an enabled server, named `name` if that is free, else gpu1, gpu2…"""
    others = (other for other in known.values() if other.enabled and other.key != record.key)
    return replace(
        record,
        url=url,
        name=_free(name, {other.name.casefold() for other in others}),
        enabled=True,
        drained=record.drained and record.enabled,
    )


def _free(name: str, taken: Collection[str]) -> str:
    if name and name.casefold() not in taken:
        return name
    return next(free for number in count(1) if (free := f"gpu{number}") not in taken)


def _write(conn: Connection, known: Mapping[str, ServerRecord], new: Mapping[str, ServerRecord]) -> None:
    """Write changed records; new ones get the next places."""
    last = conn.execute(sa.select(sa.func.coalesce(sa.func.max(servers.c.place), 0))).scalar_one()
    fresh = [key for key in new if key not in known]
    places = {key: last + number for number, key in enumerate(fresh, 1)}
    for key in sorted(new):
        if new[key] != known.get(key):
            _write_one(conn, new[key], places.get(key))


def _write_one(conn: Connection, record: ServerRecord, place: int | None) -> None:
    values: dict[str, object] = {
        "url": record.url,
        "name": record.name,
        "source": record.source,
        "added_by": str(record.added_by or ""),
        "enabled": record.enabled,
        "paused": record.drained,
    }
    if place is not None:
        values["place"] = place
    entry = insert(conn.dialect.name, servers).values(server_id=record.key, **values)
    conn.execute(entry.on_conflict_do_update(index_elements=[servers.c.server_id], set_=values))
