"""Server leases: which process may claim jobs for a ComfyUI server and manage its running ones."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement

from bot.storage.engine.compiled import CompiledStatement
from bot.storage.engine.dialect import insert, lease_time
from bot.storage.schema.tables import server as table


def acquire_leases(conn: Connection, now: float, servers: Collection[str], owner: str, ttl: float) -> frozenset[str]:
    """Acquire or renew leases; rows are locked in sorted order, to avoid deadlocks."""
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    takeover = sa.case((table.c.owner == owner, table.c.epoch), else_=table.c.epoch + 1)
    held: set[str] = set()
    for server_id in sorted(servers):
        conn.execute(insert(conn.dialect.name, table).on_conflict_do_nothing(), {"server_id": server_id})
        lease = (
            sa.update(table)
            .where(table.c.server_id == server_id, sa.or_(table.c.owner == owner, table.c.lease_until < time))
            .values(owner=owner, lease_until=time + ttl, last_seen=time, epoch=takeover)
        )
        if conn.execute(lease).rowcount:
            held.add(server_id)
    return frozenset(held)


def release_leases(conn: Connection, owner: str, servers: Collection[str] | None = None) -> None:
    release = sa.update(table).where(table.c.owner == owner).values(owner="", lease_until=0.0)
    conn.execute(release if servers is None else release.where(table.c.server_id.in_(servers)))


def lock(conn: Connection, server_id: str, owner: str, now: float) -> bool:
    """Whether `owner` holds a server's lease; if so, it keeps it until the transaction ends."""
    values = {"this_server": server_id, "this_owner": owner, "lease_now": now}
    return _LOCK.first(conn, values) is not None


def locked(dialect: str) -> sa.Select[tuple[str]]:
    """Return the query for a server if `this_owner` holds it; the lease can't change until the transaction ends."""
    return sa.select(table.c.server_id).where(*holds(dialect)).with_for_update(read=True)


def holds(dialect: str) -> tuple[ColumnElement[bool], ...]:
    """SQL: `this_owner` holds `this_server`."""
    return (
        table.c.server_id == sa.bindparam("this_server", type_=sa.Text),
        table.c.owner == sa.bindparam("this_owner", type_=sa.Text),
        table.c.lease_until >= lease_time(dialect, sa.bindparam("lease_now", type_=sa.Double)),
    )


_LOCK: Final = CompiledStatement(lambda dialect, _names: locked(dialect))


def held_by_others(
    server_id: ColumnElement[str], owner: ColumnElement[str], time: ColumnElement[float]
) -> ColumnElement[bool]:
    """SQL: whether a process other than `owner` holds a server."""
    return sa.exists().where(
        table.c.server_id == server_id,
        table.c.owner != sa.literal(""),
        table.c.owner != owner,
        table.c.lease_until >= time,
    )


def held(server_id: ColumnElement[str], time: ColumnElement[float]) -> ColumnElement[bool]:
    return held_by_others(server_id, sa.literal(""), time)
