"""Deletes old jobs, and writes the event log."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Delivery
from bot.storage import result_files
from bot.storage.jobs import input_files
from bot.storage.schema.tables import ENDED, event
from bot.storage.schema.tables import job as jobs
from bot.storage.servers import compatibility

CLASSES_KEPT: Final = 30 * 24 * 3600.0
"""Seconds for which a class outlives its last jobs: failed ones may be queued again."""


def prune(conn: Connection, before: float, *, limit: int) -> Sequence[str]:
    """Delete old jobs with their files; the ledger and the event log stay."""
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
        compatibility.forget(conn, before - CLASSES_KEPT)
        return []
    input_files.drop(conn, job_ids)
    result_files.drop_all(conn, job_ids)
    conn.execute(sa.delete(jobs).where(jobs.c.id.in_(job_ids)))
    return job_ids


def record_event(conn: Connection, what: str, *, job_id: str = "", actor: str = "", now: float) -> None:
    conn.execute(sa.insert(event).values(what=what, job_id=job_id, actor=actor, at=now))
