"""Transactions that take jobs in, with their pictures."""

from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Job, JobState
from bot.jobs.records import DuplicateJobError
from bot.jobs.store import accounts, changes, inputs, rows
from bot.jobs.store.statements import insert
from bot.jobs.store.tables import job as jobs


def add(conn: Connection, job: Job) -> None:
    """See `JobStore.add`. The same job again is no duplicate: its first answer may have been lost on the way."""
    if conn.execute(_new(conn.dialect.name), rows.new_row(job)).first() is None:
        if not _is_kept(conn, job):
            raise DuplicateJobError(job.id)
        return
    inputs.write(conn, job.id, job.spec)
    accounts.enter(conn, job)


@cache
def _new(dialect: str) -> Any:
    return insert(dialect, jobs).on_conflict_do_nothing().returning(jobs.c.seq)


def _is_kept(conn: Connection, job: Job) -> bool:
    same = sa.select(jobs.c.seq).where(jobs.c.id == job.id, jobs.c.interaction_id == job.place.interaction_id)
    return conn.execute(same).first() is not None


def admit(conn: Connection, job: Job, *, again: bool) -> Job:
    """See `JobStore.admit`."""
    held = replace(job, state=JobState.HELD)
    details = {"spec": job.spec, "place": job.place, "requester": job.requester, "holder": ""}
    return changes.move(conn, held, JobState.QUEUED, details, 0.0, again=again)
