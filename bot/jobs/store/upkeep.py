"""Transactions of the janitor: forgetting old jobs, and the log of events."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Delivery
from bot.jobs.store import inputs
from bot.jobs.store.tables import ENDED, event
from bot.jobs.store.tables import job as jobs


def prune(conn: Connection, before: float, limit: int) -> Sequence[str]:
    """See `JobStore.prune`. The ledger and the log stay."""
    old = (
        sa.select(jobs.c.id)
        .where(
            ENDED,
            jobs.c.delivery != Delivery.PENDING.value,
            jobs.c.finished < before,
        )
        .order_by(jobs.c.finished)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    job_ids = list(conn.scalars(old))
    if not job_ids:
        return []
    inputs.drop(conn, job_ids)
    conn.execute(sa.delete(jobs).where(jobs.c.id.in_(job_ids)))
    return job_ids


def record(conn: Connection, what: str, job_id: str, actor: str, now: float) -> None:
    """See `JobStore.record`."""
    conn.execute(sa.insert(event).values(what=what, job_id=job_id, actor=actor, at=now))
