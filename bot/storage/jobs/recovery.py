"""Transactions that take over jobs from another process: after a crash, and for delayed deliveries."""

from collections.abc import Collection, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import ColumnElement

from bot.jobs.job import Job, JobState
from bot.storage import rows
from bot.storage.engine.compiled import CompiledStatement
from bot.storage.engine.dialect import lease_time, number
from bot.storage.schema.tables import UNDELIVERED, UNFINISHED
from bot.storage.schema.tables import job as jobs
from bot.storage.servers import leases

HELD_TOO_LONG: Final = 15 * 60.0
"""Seconds after which a request can't be pending any more: its token has expired."""

_ON_SERVER: Final = jobs.c.state.in_([JobState.RUNNING.value, JobState.DELIVERING.value])
_RUN_ENDED: Final = sa.text("state IN ('delivering', 'done', 'failed', 'cancelled')")

_STILL_UNDELIVERED: Final = sa.text("delivery || '' = 'pending'")
"""`UNDELIVERED`, but written to avoid the index (see `bot.storage.jobs.claim`)."""


def take_over_server(conn: Connection, lease_now: float, server: str, owner: str) -> Sequence[Job]:
    if not leases.lock(conn, server, owner, lease_now):
        return []
    return _take_over(conn, sa.and_(UNFINISHED, jobs.c.server == server, sa.or_(_ON_SERVER, _RUN_ENDED)))


def orphans(
    conn: Connection, lease_now: float, owner: str, servers: Collection[str], now: float, *, alone: bool
) -> Sequence[Job]:
    """Take over orphaned jobs. Jobs that wait for a moderator have no holder and are left alone."""
    is_abandoned = sa.or_(sa.literal(alone), jobs.c.holder == owner, jobs.c.created <= now - HELD_TOO_LONG)
    unvalidated = sa.and_(jobs.c.state == JobState.HELD.value, jobs.c.holder != "", is_abandoned)
    is_unleased = sa.not_(leases.held(jobs.c.server, lease_time(conn.dialect.name, sa.literal(lease_now, sa.Double))))
    lost = sa.and_(_ON_SERVER, jobs.c.server.not_in(list(servers)), is_unleased)
    return _take_over(conn, sa.or_(unvalidated, lost))


def _claiming_delivery(dialect: str, _names: Sequence[str]) -> ClauseElement:
    """Return the UPDATE of the job whose delivery is due. Its guards are as in `bot.storage.jobs.claim`."""
    time = lease_time(dialect, sa.bindparam("lease_now", type_=sa.Double))
    others = leases.held_by_others(jobs.c.server, sa.bindparam("this_owner", type_=sa.Text), time)
    due = sa.select(jobs.c.seq).where(
        UNDELIVERED, _RUN_ENDED, jobs.c.not_before <= sa.bindparam("now", type_=sa.Double), sa.not_(others)
    )
    first = due.order_by(jobs.c.not_before, jobs.c.seq).limit(number(1)).with_for_update(skip_locked=True)
    take = sa.update(jobs).where(jobs.c.seq == first.correlate(None).scalar_subquery(), _STILL_UNDELIVERED, _RUN_ENDED)
    until = sa.bindparam("until", type_=sa.Double)
    return take.values(epoch=jobs.c.epoch + 1, not_before=until).returning(*rows.READ)


_CLAIM_DELIVERY: Final = CompiledStatement(_claiming_delivery)


def claim_due_delivery(conn: Connection, lease_now: float, owner: str, now: float, until: float) -> Job | None:
    row = _CLAIM_DELIVERY.first(conn, {"this_owner": owner, "now": now, "until": until, "lease_now": lease_now})
    taken = rows.read_all([row] if row else [])
    return taken[0] if taken else None


def _take_over(conn: Connection, condition: ColumnElement[bool]) -> list[Job]:
    """Raise the epoch of jobs and return them, oldest first; rows are locked in order, to avoid deadlocks."""
    ids = sa.select(jobs.c.seq).where(condition).order_by(jobs.c.seq).with_for_update()
    seqs = conn.scalars(ids).all()
    if not seqs:
        return []
    take = sa.update(jobs).where(jobs.c.seq.in_(seqs), condition).values(epoch=jobs.c.epoch + 1)
    taken = conn.execute(take.returning(jobs)).mappings().all()
    return rows.read_all(sorted(taken, key=lambda row: row["seq"]))
