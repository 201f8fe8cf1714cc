"""The bot's live processes; each renews its row with a heartbeat."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.storage.engine.dialect import insert, lease_time
from bot.storage.schema.tables import process as processes
from bot.storage.schema.tables import server as servers

KEPT_SECONDS: Final = 3600.0
"""Seconds after which the row of a killed process is deleted."""


def heartbeat(conn: Connection, now: float, owner: str, role: str, ttl: float) -> Mapping[str, int]:
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    alive = {"role": role, "seen_until": time + ttl}
    entry = insert(conn.dialect.name, processes).values(owner=owner, **alive)
    conn.execute(entry.on_conflict_do_update(index_elements=[processes.c.owner], set_=alive))
    _forget(conn, time - KEPT_SECONDS)
    living = sa.select(processes.c.role, sa.func.count()).where(processes.c.seen_until >= time)
    return dict(conn.execute(living.group_by(processes.c.role)).all())


def _forget(conn: Connection, before: sa.ColumnElement[float]) -> None:
    """Delete rows of crashed processes; `skip_locked` lets several processes do this at once."""
    old = sa.select(processes.c.owner).where(processes.c.seen_until < before).with_for_update(skip_locked=True)
    conn.execute(sa.delete(processes).where(processes.c.owner.in_(old)))


def deregister(conn: Connection, owner: str) -> None:
    conn.execute(sa.delete(processes).where(processes.c.owner == owner))


def is_in_use(conn: Connection, now: float, *, but: str = "") -> bool:
    """Whether any process other than `but` is alive, or any process holds a lease."""
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    alive = sa.exists().where(processes.c.seen_until >= time, processes.c.owner != but)
    holds = sa.exists().where(servers.c.owner != "", servers.c.lease_until >= time)
    return bool(conn.scalar(sa.select(sa.or_(alive, holds))))
