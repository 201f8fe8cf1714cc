"""The living processes of the bot. Each says again and again for how long it can be counted on."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.store.statements import insert, lease_time
from bot.jobs.store.tables import process as processes
from bot.jobs.store.tables import server as servers

FORGOTTEN: Final = 3600.0
"""Seconds after which the row of a process that was killed goes."""


def appear(conn: Connection, owner: str, role: str, ttl: float, now: float) -> Mapping[str, int]:
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    alive = {"role": role, "seen_until": time + ttl}
    entry = insert(conn.dialect.name, processes).values(owner=owner, **alive)
    conn.execute(entry.on_conflict_do_update(index_elements=[processes.c.owner], set_=alive))
    _forget(conn, time - FORGOTTEN)
    living = sa.select(processes.c.role, sa.func.count()).where(processes.c.seen_until >= time)
    return dict(conn.execute(living.group_by(processes.c.role)).all())


def _forget(conn: Connection, before: sa.ColumnElement[float]) -> None:
    """Take away rows of processes that ended without a word; those who do so at the same time do not meet."""
    old = sa.select(processes.c.owner).where(processes.c.seen_until < before).with_for_update(skip_locked=True)
    conn.execute(sa.delete(processes).where(processes.c.owner.in_(old)))


def vanish(conn: Connection, owner: str) -> None:
    conn.execute(sa.delete(processes).where(processes.c.owner == owner))


def is_in_use(conn: Connection, now: float, *, but: str = "") -> bool:
    """Return whether any process but one lives, or holds anything."""
    time = lease_time(conn.dialect.name, sa.literal(now, sa.Double))
    alive = sa.exists().where(processes.c.seen_until >= time, processes.c.owner != but)
    holds = sa.exists().where(servers.c.owner != "", servers.c.lease_until >= time)
    return bool(conn.scalar(sa.select(sa.or_(alive, holds))))
