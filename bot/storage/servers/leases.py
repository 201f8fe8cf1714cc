"""Server leases: which process may claim jobs for a ComfyUI server and manage its running ones."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement

from bot.storage.engine.compiled import CompiledStatement
from bot.storage.engine.dialect import insert, lease_time
from bot.storage.schema.tables import server as servers


def hold_leases(conn: Connection, wanted: Collection[str], owner: str, ttl: float, now: float) -> frozenset[str]:
    """Acquire or renew leases; rows are locked in sorted order, to avoid deadlocks."""
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    takeover = sa.case((servers.c.owner == owner, servers.c.epoch), else_=servers.c.epoch + 1)
    held: set[str] = set()
    for server_id in sorted(wanted):
        conn.execute(insert(conn.dialect.name, servers).on_conflict_do_nothing(), {"server_id": server_id})
        lease = (
            sa.update(servers)
            .where(servers.c.server_id == server_id, sa.or_(servers.c.owner == owner, servers.c.lease_until < time))
            .values(owner=owner, lease_until=time + ttl, last_seen=time, epoch=takeover)
        )
        if conn.execute(lease).rowcount:
            held.add(server_id)
    return frozenset(held)


def release_leases(conn: Connection, owner: str, wanted: Collection[str] | None = None) -> None:
    release = sa.update(servers).where(servers.c.owner == owner).values(owner="", lease_until=0.0)
    conn.execute(release if wanted is None else release.where(servers.c.server_id.in_(wanted)))


def lock(conn: Connection, server_id: str, owner: str, now: float) -> bool:
    """Whether `owner` holds a server's lease; if so, it keeps it until the transaction ends."""
    values = {"this_server": server_id, "this_owner": owner, "lease_now": now}
    return _LOCK.first(conn, values) is not None


def locked(dialect: str) -> sa.Select[tuple[str]]:
    """Return the query for a server if `this_owner` holds it; the lease can't change until the transaction ends."""
    return sa.select(servers.c.server_id).where(*holds(dialect)).with_for_update(read=True)


def holds(dialect: str) -> tuple[ColumnElement[bool], ...]:
    """SQL: `this_owner` holds `this_server`."""
    return (
        servers.c.server_id == sa.bindparam("this_server", type_=sa.Text),
        servers.c.owner == sa.bindparam("this_owner", type_=sa.Text),
        servers.c.lease_until >= lease_time(dialect, sa.bindparam("lease_now", type_=sa.Double)),
    )


_LOCK: Final = CompiledStatement(lambda dialect, _names: locked(dialect))


def held_by_others(
    server_id: ColumnElement[str], owner: ColumnElement[str], time: ColumnElement[float]
) -> ColumnElement[bool]:
    """SQL: whether a process other than `owner` holds a server."""
    return sa.exists().where(
        servers.c.server_id == server_id,
        servers.c.owner != sa.literal(""),
        servers.c.owner != owner,
        servers.c.lease_until >= time,
    )


def held(server_id: ColumnElement[str], time: ColumnElement[float]) -> ColumnElement[bool]:
    return held_by_others(server_id, sa.literal(""), time)
