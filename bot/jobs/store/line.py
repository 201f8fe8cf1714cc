"""The line in front of the servers: who is next, and giving that job to a server."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

from bot.i18n import _
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.store import accounts, changes, leases, rows
from bot.jobs.store.prepared import POSTGRES, Prepared, Values
from bot.jobs.store.statements import ONE
from bot.jobs.store.tables import IN_HAND, QUEUED, RUNNING
from bot.jobs.store.tables import job as jobs

_STILL: Final = sa.text("state || '' = 'queued'")
"""What `QUEUED` says, in words for which there is no index: a plan made for an empty line would read all of it."""
LOOKS: Final = 3
"""Looks at a line that several claim from, before it counts as empty."""
_ORDER: Final = (jobs.c.priority, jobs.c.seq)
"""A job that comes back has its old number, and so its old place."""


def _claimed() -> sa.Select[tuple[Any, ...]]:
    """Return the query for the job that a prompt id got already."""
    return sa.select(*rows.READ).where(
        IN_HAND,
        jobs.c.server == sa.bindparam("this_server", type_=sa.Text),
        RUNNING,
        jobs.c.prompt_id == sa.bindparam("this_prompt", type_=sa.Text),
    )


def _due() -> sa.Select[tuple[str]]:
    due = sa.select(jobs.c.id).where(QUEUED, jobs.c.not_before <= sa.bindparam("now", type_=sa.Double))
    return due.order_by(*_ORDER).limit(ONE).with_for_update(skip_locked=True)


def _claiming(dialect: str, _names: Sequence[str]) -> ClauseElement:
    """Return the change of the job that is next, if the server may have one; on PostgreSQL, that of its account too.

    The guard is in the UPDATE: a lock alone may have been given on a row that has left the line meanwhile. What is
    looked up is looked up once, before, and locked.
    """
    due = _due().correlate(None).scalar_subquery()
    held = leases.locked(dialect).scalar_subquery().is_not(None)
    taking = (
        sa.update(jobs)
        .where(held, sa.not_(_claimed().correlate(None).exists()), jobs.c.id == due, _STILL)
        .values(
            state=JobState.RUNNING.value,
            epoch=jobs.c.epoch + 1,
            attempts=jobs.c.attempts + 1,
            posted=False,
            not_before=0.0,
            server=sa.bindparam("this_server", type_=sa.Text),
            prompt_id=sa.bindparam("this_prompt", type_=sa.Text),
            started=sa.bindparam("now", type_=sa.Double),
        )
        .returning(*rows.READ)
    )
    if dialect != POSTGRES:
        return taking
    taken = taking.cte("taken")
    return sa.select(taken).add_cte(accounts.shifted(taken.c.account_id).cte("counted"))


_CLAIM: Final = Prepared(_claiming)
_CLAIMED: Final = Prepared(
    lambda dialect, _names: _claimed().where(leases.locked(dialect).scalar_subquery().is_not(None))
)
_TAKEN: Final = accounts.steps(JobState.QUEUED, JobState.RUNNING)

_UNREADABLE: Final = _("This request was damaged in the bot's database and cannot be run. Please ask again.")


def claim(conn: Connection, server: str, owner: str, prompt_id: str, now: float, lease_now: float) -> Job | None:
    """See `JobStore.claim`.

    A `prompt_id` gets one job only: whoever asks again with it, because the answer was lost, gets the same job.
    """
    lease = {"this_server": server, "this_owner": owner, "lease_now": lease_now}
    while (row := _take(conn, {**lease, "this_prompt": prompt_id, "now": now, **_TAKEN})) is not None:
        if conn.dialect.name != POSTGRES:
            accounts.shift(conn, row["account_id"], _TAKEN)
        job = rows.read(row)
        if job.spec is not rows.UNREADABLE:
            return job
        _give_up(conn, job, now)
    row = _CLAIMED.first(conn, {**lease, "this_prompt": prompt_id})
    return None if row is None else rows.read(row)


def _take(conn: Connection, values: Values) -> Values | None:
    """Take the job that is next. None when there is none, as far as can be seen.

    On PostgreSQL a look is at one moment: what it sees may be taken by others before it has it, while more has come.
    """
    for _look in range(LOOKS if conn.dialect.name == POSTGRES else 1):
        if (row := _CLAIM.first(conn, values)) is not None:
            return row
    return None


def _give_up(conn: Connection, job: Job, now: float) -> None:
    """End a job whose run cannot be read, so that those behind it are not held up for ever."""
    end = {"error": _UNREADABLE, "delivery": Delivery.PENDING, "finished": now, "not_before": 0.0}
    changes.move(conn, job, JobState.FAILED, end, now, again=False)


_ALL: Final = Prepared(lambda _dialect, _names: sa.select(jobs.c.id).where(QUEUED).order_by(*_ORDER))
_HEAD: Final = Prepared(
    lambda _dialect, _names: (
        sa.select(jobs.c.id).where(QUEUED).order_by(*_ORDER).limit(sa.bindparam("most", type_=sa.Integer))
    )
)
_LENGTH: Final = Prepared(
    lambda _dialect, _names: sa.select(sa.func.count().label("length")).select_from(jobs).where(QUEUED)
)


def line(conn: Connection, limit: int | None) -> Sequence[str]:
    """See `JobStore.line`."""
    found = _ALL.rows(conn, {}) if limit is None else _HEAD.rows(conn, {"most": limit})
    return [row["id"] for row in found]


def line_length(conn: Connection) -> int:
    """See `JobStore.line_length`."""
    (row,) = _LENGTH.rows(conn, {})
    return row["length"]
