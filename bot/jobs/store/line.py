"""The line in front of the servers: giving the job of whoever is next to a server."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from bot.i18n import _
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.store import accounts as counters
from bot.jobs.store import candidates, changes, leases, rows
from bot.jobs.store.codec import plain_text
from bot.jobs.store.prepared import POSTGRES, Prepared, Values
from bot.jobs.store.shares import NOW
from bot.jobs.store.statements import ONE
from bot.jobs.store.tables import QUEUED, READY
from bot.jobs.store.tables import account as accounts
from bot.jobs.store.tables import job as jobs

_STILL: Final = sa.text("state || '' = 'queued'")
"""What `QUEUED` says, in words for which there is no index: a plan made for an empty line would read all of it."""
LOOKS: Final = 24
"""Looks at a line that several claim from, before it counts as empty."""
HASTY: Final = 2
"""So many of them pass by whatever is locked; later ones wait for accounts, one of whose jobs they will get."""


def _taking(dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return the change of a job, if its account and the server may have it; on PostgreSQL, with all that goes with it.

    The guard is in the UPDATE: a lock alone may have been given on a row that has left the line meanwhile.
    """
    if dialect != POSTGRES:
        return _change(dialect, _JOB)
    taken = _taken(dialect, _found(names).cte("found"), waits="this_job" not in names)
    return sa.select(taken).add_cte(*counters.effects(taken, names))


def _taking_at_once(dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return a look that takes the job of who is next, if that is clear: one way to the database and back, not two.

    Without a row nothing may start; a row without a job says that something may, but not at once.
    """
    first, job = candidates.at_once(dialect, names)
    found = sa.select(jobs.c.seq, jobs.c.account_id).where(jobs.c.seq == job.scalar_subquery(), QUEUED)
    taken = _taken(dialect, found.with_for_update(skip_locked=True).cte("found"))
    both = sa.select(taken).select_from(first.outerjoin(taken, sa.true()))
    return both.add_cte(*counters.effects(taken, names))


def _taken(dialect: str, found: CTE, *, waits: bool = False) -> CTE:
    """Return the change of a job that was found and locked, after its account is locked, or waited for."""
    its = sa.select(found.c.account_id).scalar_subquery()
    able = sa.select(accounts.c.account_id).where(accounts.c.account_id == its, READY)
    able = able.with_for_update(skip_locked=not waits).cte("able")
    change = _change(dialect, sa.select(found.c.seq).scalar_subquery())
    return change.where(sa.select(able.c.account_id).scalar_subquery().is_not(None)).cte("taken")


_JOB: Final[ColumnElement[int]] = sa.bindparam("this_job", type_=sa.BigInteger)


def _change(dialect: str, seq: ColumnElement[int]) -> ReturningUpdate[Any]:
    unclaimed = sa.not_(sa.exists().where(candidates.claimed()).correlate(None))
    taking = sa.update(jobs).where(candidates.held(dialect), unclaimed, jobs.c.seq == seq, _STILL)
    values = {
        "state": JobState.RUNNING.value,
        "epoch": jobs.c.epoch + 1,
        "attempts": jobs.c.attempts + 1,
        "posted": False,
        "not_before": 0.0,
        "server": candidates.SERVER,
        "prompt_id": candidates.PROMPT,
        "started": NOW,
        "charged_at": NOW,
    }
    return taking.values(values).returning(*rows.READ, sa.func.coalesce(jobs.c.cost_est, 0.0).label(counters.SECONDS))


def _found(names: Sequence[str]) -> sa.Select[int, str]:
    """Return the query for a job, locked before its account is: a certain one, or the first that an account has left.

    The one that was looked for may be another's by now; who waits for an account finds one for as long as there is one.
    """
    job = sa.select(jobs.c.seq, jobs.c.account_id)
    if "this_job" in names:
        return job.where(jobs.c.seq == _JOB, QUEUED).with_for_update(skip_locked=True)
    its = accounts.alias("its")
    mine = (its.c.account_id == sa.bindparam("this_account", type_=sa.Text), jobs.c.account_id == its.c.account_id)
    left = job.select_from(jobs.join(its, sa.true())).where(*mine, QUEUED, candidates.startable(its))
    return left.order_by(*candidates.ORDER).limit(ONE).with_for_update(of=jobs, skip_locked=True)


_TAKE: Final = Prepared(_taking)
_TAKE_AT_ONCE: Final = Prepared(_taking_at_once)
_CLAIMED: Final = Prepared(
    lambda dialect, _names: sa.select(*rows.READ).where(
        candidates.claimed(), leases.locked(dialect).scalar_subquery().is_not(None)
    )
)

_UNREADABLE: Final = _("This request was damaged in the bot's database and cannot be run. Please ask again.")


def claim(
    conn: Connection, server: str, owner: str, prompt_id: str, now: float, lease_now: float, loaded: str
) -> Job | None:
    """See `JobStore.claim`.

    A `prompt_id` gets one job only: whoever asks again with it, because the answer was lost, gets the same job.
    """
    lease = {"this_server": server, "this_owner": owner, "lease_now": lease_now, "this_prompt": prompt_id}
    while (row := _take(conn, {**lease, "now": now}, plain_text(loaded))) is not None:
        job = rows.read(row)
        if job.spec is not rows.UNREADABLE:
            return job
        _give_up(conn, job, now)
    row = _CLAIMED.first(conn, lease)
    return None if row is None else rows.read(row)


def _take(conn: Connection, values: Values, loaded: str) -> Values | None:
    """Take the job of who is next. None when nothing may start, as far as can be seen.

    On PostgreSQL a look is at one moment: what it sees may be taken by others before it has it, while more has come.
    """
    values = values | counters.steps(JobState.QUEUED, JobState.RUNNING, values["now"])
    question = candidates.asked(values, loaded)
    if conn.dialect.name == POSTGRES:
        first = _TAKE_AT_ONCE.first(conn, values | question)
        if first is None or first["seq"] is not None:
            return first
    for look in range(LOOKS):
        choices = candidates.look(conn, question)
        for choice in choices:
            which = {"this_job": choice.seq} if look < HASTY else {"this_account": choice.account}
            if (row := _TAKE.first(conn, values | which)) is not None:
                if conn.dialect.name != POSTGRES:
                    counters.follow(conn, row, values)
                return row
        if not choices:
            break
    return None


def _give_up(conn: Connection, job: Job, now: float) -> None:
    """End a job whose run cannot be read, so that those behind it are not held up for ever."""
    end = {"error": _UNREADABLE, "delivery": Delivery.PENDING, "finished": now, "not_before": 0.0}
    changes.move(conn, job, JobState.FAILED, end, now, again=False)
