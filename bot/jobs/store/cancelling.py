"""Cancels jobs: waiting ones immediately, running ones by a request to the process that runs them."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.store import accounts, rows
from bot.jobs.store.tables import IN_HAND
from bot.jobs.store.tables import job as jobs

_WAITS = (JobState.HELD.value, JobState.QUEUED.value)


def cancel(conn: Connection, job_id: str, by: int, now: float) -> Job | None:
    row = conn.execute(sa.select(jobs).where(jobs.c.id == job_id).with_for_update()).mappings().first()
    if row is None:
        return None
    if row["state"] in _WAITS:
        return _end(conn, row, by, now)
    if row["state"] != JobState.RUNNING.value or row["cancel_by"]:
        return rows.read(row)
    asked = sa.update(jobs).where(jobs.c.id == job_id).values(cancel_by=by).returning(jobs)
    return rows.read(conn.execute(asked).mappings().one())


def _end(conn: Connection, row: rows.Row, by: int, now: float) -> Job:
    end = {
        "state": JobState.CANCELLED.value,
        "epoch": jobs.c.epoch + 1,
        "delivery": Delivery.PENDING.value,
        "finished": now,
        "not_before": now,
        "cancel_by": by,
    }
    ended = conn.execute(sa.update(jobs).where(jobs.c.id == row["id"]).values(end).returning(jobs)).mappings().one()
    accounts.follow(conn, dict(ended), accounts.steps(JobState(row["state"]), JobState.CANCELLED, now))
    return rows.read(ended)


def to_cancel(conn: Connection, server: str) -> Sequence[tuple[str, int]]:
    running = sa.and_(IN_HAND, jobs.c.server == server, jobs.c.state == JobState.RUNNING.value)
    wishes = sa.select(jobs.c.id, jobs.c.cancel_by).where(running, jobs.c.cancel_by != 0)
    return [(job_id, by) for job_id, by in conn.execute(wishes)]
