"""The line in front of the servers: who is next, and giving that job to a server."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.i18n import _
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.store import accounts, codec, leases, rows
from bot.jobs.store.tables import IN_HAND, QUEUED
from bot.jobs.store.tables import job as jobs

_ORDER: Final = (jobs.c.priority, jobs.c.seq)
"""A job that comes back has its old number, and so its old place."""

_RUNNING: Final = sa.select(jobs).where(
    IN_HAND,
    jobs.c.server == sa.bindparam("this_server"),
    jobs.c.state == JobState.RUNNING.value,
    jobs.c.prompt_id == sa.bindparam("this_prompt"),
)
_DUE: Final = (
    sa.select(jobs.c.id)
    .where(QUEUED, jobs.c.not_before <= sa.bindparam("now"))
    .order_by(*_ORDER)
    .limit(1)
    .with_for_update(skip_locked=True)
)
# The guard is in the UPDATE: a lock alone may have been given on a row that has left the line meanwhile.
_TAKE: Final = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("this_id"), QUEUED)
    .values(
        state=JobState.RUNNING.value,
        epoch=jobs.c.epoch + 1,
        attempts=jobs.c.attempts + 1,
        posted=False,
        not_before=0.0,
    )
    .returning(jobs)
)

_UNREADABLE: Final = _("This request was damaged in the bot's database and cannot be run. Please ask again.")


def claim(conn: Connection, server: str, owner: str, prompt_id: str, now: float, lease_now: float) -> Job | None:
    """See `JobStore.claim`.

    A `prompt_id` gets one job only: whoever asks again with it, because the answer was lost, gets the same job.
    """
    if not leases.lock(conn, server, owner, lease_now):
        return None
    claimed = _claimed_before(conn, server, prompt_id)
    while claimed is None and (job_id := _next(conn, now)) is not None:
        claimed = _take(conn, job_id, {"server": server, "prompt_id": prompt_id, "started": now})
    return claimed


def _claimed_before(conn: Connection, server: str, prompt_id: str) -> Job | None:
    row = conn.execute(_RUNNING, {"this_server": server, "this_prompt": prompt_id}).mappings().first()
    return None if row is None else rows.read(row)


def _next(conn: Connection, now: float) -> str | None:
    return conn.scalar(_DUE, {"now": now})


def _take(conn: Connection, job_id: str, run: dict[str, Any]) -> Job | None:
    """Take a job from the line. None when another was faster, or when the job can never run."""
    row = conn.execute(_TAKE, {"this_id": job_id, **run}).mappings().first()
    if row is None:
        return None
    job = rows.read(row)
    if job.spec is rows.UNREADABLE:
        _give_up(conn, row, run["started"])
        return None
    accounts.shift(conn, row["account_id"], JobState.QUEUED, JobState.RUNNING)
    return job


def _give_up(conn: Connection, row: rows.Row, now: float) -> None:
    """End a job whose run cannot be read, so that those behind it are not held up for ever."""
    end = {
        "state": JobState.FAILED.value,
        "error": codec.dump_message(_UNREADABLE),
        "delivery": Delivery.PENDING.value,
        "finished": now,
    }
    conn.execute(sa.update(jobs).where(jobs.c.id == row["id"]).values(end))
    accounts.shift(conn, row["account_id"], JobState.QUEUED, JobState.FAILED)


def line(conn: Connection) -> Sequence[str]:
    """See `JobStore.line`."""
    return conn.scalars(sa.select(jobs.c.id).where(QUEUED).order_by(*_ORDER)).all()
