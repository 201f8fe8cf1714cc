"""Leases of servers: who may claim jobs for a ComfyUI server and look after those it has."""

from collections.abc import Collection
from functools import cache

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement

from bot.jobs.store.statements import insert, lease_time
from bot.jobs.store.tables import server as servers


def hold(conn: Connection, wanted: Collection[str], owner: str, ttl: float, now: float) -> frozenset[str]:
    """See `JobStore.hold`. Servers are locked in one order, whoever asks."""
    time = _time(conn, now)
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


def release(conn: Connection, owner: str) -> None:
    """See `JobStore.release`."""
    conn.execute(sa.update(servers).where(servers.c.owner == owner).values(owner="", lease_until=0.0))


def lock(conn: Connection, server_id: str, owner: str, now: float) -> bool:
    """Return whether `owner` holds a server; until the end of the transaction, nobody takes it over."""
    held = conn.execute(_lock(conn.dialect.name), {"this_server": server_id, "this_owner": owner, "lease_now": now})
    return held.first() is not None


@cache
def _lock(dialect: str) -> sa.Select[tuple[str]]:
    time = lease_time(dialect, sa.bindparam("lease_now", type_=sa.Double))
    query = sa.select(servers.c.server_id).where(
        servers.c.server_id == sa.bindparam("this_server"),
        servers.c.owner == sa.bindparam("this_owner"),
        servers.c.lease_until >= time,
    )
    return query.with_for_update(read=True)


def _time(conn: Connection, now: float) -> ColumnElement[float]:
    return lease_time(conn.dialect.name, sa.literal(now, sa.Double))


def held_by_others(conn: Connection, server_id: ColumnElement[str], owner: str, now: float) -> ColumnElement[bool]:
    """Return the condition that somebody other than `owner` holds a server."""
    return sa.exists().where(
        servers.c.server_id == server_id,
        servers.c.owner.not_in(["", owner]),
        servers.c.lease_until >= _time(conn, now),
    )


def held(conn: Connection, server_id: ColumnElement[str], now: float) -> ColumnElement[bool]:
    """Return the condition that anybody holds a server."""
    return held_by_others(conn, server_id, "", now)
