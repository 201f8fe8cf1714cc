"""Claims: gives the next job in the queue to a server.

On PostgreSQL, a job's change and its side effects are one statement; on SQLite, which can't nest updates, several. With
separate statements on both, PostgreSQL took 2.6 ms instead of 1.0 ms per claim among 10,000 queued jobs, and ran 109
instead of 160 jobs/s from start to end, eight at a time (medians of six interleaved runs on a busy machine).
"""

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
from bot.storage import rows
from bot.storage.accounting import counters
from bot.storage.accounting.fair_share_sql import NOW
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import POSTGRES, number, storable
from bot.storage.jobs import claim_candidates, transitions
from bot.storage.schema.tables import QUEUED, READY
from bot.storage.schema.tables import account as accounts
from bot.storage.schema.tables import job as jobs
from bot.storage.servers import leases

_STILL_QUEUED: Final = sa.text("state || '' = 'queued'")
"""`QUEUED`, but written to avoid the index: a plan made for an empty queue would scan all of it."""
MAX_TRIES: Final = 24
"""Attempts before a queue that several processes claim from counts as empty."""
MAX_SINGLE_STATEMENT_TRIES: Final = 2
"""Attempts that skip locked rows; later ones wait for an account and take one of its jobs."""


def _take_sql(dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return the UPDATE that takes a job, with its side effects on PostgreSQL.

    The guards are in the UPDATE itself: the row may leave the queue before its lock is granted.
    """
    if dialect != POSTGRES:
        return _change(dialect, _JOB)
    taken = _taken(dialect, _found(names).cte("found"), waits="this_job" not in names)
    return sa.select(taken).add_cte(*counters.cte_effects(taken, names))


def _take_at_once_sql(dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return a statement that finds and takes the next job if the choice is clear, to save a round trip.

    No row: nothing can start. A row without a job: something can, but the choice takes more queries.
    """
    first, job = claim_candidates.at_once(dialect, names)
    found = sa.select(jobs.c.seq, jobs.c.account_id).where(jobs.c.seq == job.scalar_subquery(), QUEUED)
    taken = _taken(dialect, found.with_for_update(skip_locked=True).cte("found"))
    both = sa.select(taken).select_from(first.outerjoin(taken, sa.true()))
    return both.add_cte(*counters.cte_effects(taken, names))


def _taken(dialect: str, found: CTE, *, waits: bool = False) -> CTE:
    """Return the UPDATE of a job that was found and locked, after locking its account (`waits`: waiting for it)."""
    account = sa.select(found.c.account_id).scalar_subquery()
    ready_account = sa.select(accounts.c.account_id).where(accounts.c.account_id == account, READY)
    ready_account = ready_account.with_for_update(skip_locked=not waits).cte("able")
    change = _change(dialect, sa.select(found.c.seq).scalar_subquery())
    return change.where(sa.select(ready_account.c.account_id).scalar_subquery().is_not(None)).cte("taken")


_JOB: Final[ColumnElement[int]] = sa.bindparam("this_job", type_=sa.BigInteger)


def _change(dialect: str, seq: ColumnElement[int]) -> ReturningUpdate[Any]:
    unclaimed = sa.not_(sa.exists().where(claim_candidates.claimed()).correlate(None))
    update = sa.update(jobs).where(claim_candidates.holds_lease(dialect), unclaimed, jobs.c.seq == seq, _STILL_QUEUED)
    values = {
        "state": JobState.RUNNING.value,
        "epoch": jobs.c.epoch + 1,
        "attempts": jobs.c.attempts + 1,
        "posted": False,
        "not_before": 0.0,
        "server": claim_candidates.SERVER,
        "prompt_id": claim_candidates.PROMPT,
        "started": NOW,
        "charged_at": NOW,
    }
    return update.values(values).returning(*rows.READ, sa.func.coalesce(jobs.c.cost_est, 0.0).label(counters.SECONDS))


def _found(names: Sequence[str]) -> sa.Select[int, str]:
    """Return the query that locks a job, before its account: `this_job`, or the first that `this_account` has left.

    A certain job may be taken by now; waiting for the account finds one for as long as it has any.
    """
    job = sa.select(jobs.c.seq, jobs.c.account_id)
    if "this_job" in names:
        return job.where(jobs.c.seq == _JOB, QUEUED).with_for_update(skip_locked=True)
    account = accounts.alias("its")
    conditions = (
        account.c.account_id == sa.bindparam("this_account", type_=sa.Text),
        jobs.c.account_id == account.c.account_id,
    )
    remaining = job.select_from(jobs.join(account, sa.true())).where(
        *conditions, QUEUED, claim_candidates.startable(account)
    )
    return remaining.order_by(*claim_candidates.ORDER).limit(number(1)).with_for_update(of=jobs, skip_locked=True)


_TAKE: Final = CompiledStatement(_take_sql)
_TAKE_AT_ONCE: Final = CompiledStatement(_take_at_once_sql)
_CLAIMED: Final = CompiledStatement(
    lambda dialect, _names: sa.select(*rows.READ).where(
        claim_candidates.claimed(), leases.locked(dialect).scalar_subquery().is_not(None)
    )
)

_UNREADABLE: Final = _("This request was damaged in my database and can't run. Please run the command again.")


def claim(
    conn: Connection, lease_now: float, server: str, owner: str, prompt_id: str, now: float, *, loaded: str = ""
) -> Job | None:
    """Take the next job for a server. Repeating a claim with the same `prompt_id` returns the same job."""
    lease = {"this_server": server, "this_owner": owner, "lease_now": lease_now, "this_prompt": prompt_id}
    while (row := _take(conn, {**lease, "now": now}, storable(loaded))) is not None:
        job = rows.read(row)
        if job.spec is not rows.UNREADABLE:
            return job
        _give_up(conn, job, now)
    row = _CLAIMED.first(conn, lease)
    return None if row is None else rows.read(row)


def _take(conn: Connection, values: Values, loaded: str) -> Values | None:
    """Take the next job; None if it looks like nothing can start.

    On PostgreSQL a query sees one moment: other processes may take what it found, and more jobs may arrive.
    """
    values = values | counters.steps(JobState.QUEUED, JobState.RUNNING, values["now"])
    params = claim_candidates.parameters(values, loaded)
    if conn.dialect.name == POSTGRES:
        first = _TAKE_AT_ONCE.first(conn, values | params)
        if first is None or first["seq"] is not None:
            return first
    for attempt in range(MAX_TRIES):
        choices = claim_candidates.read_candidates(conn, params)
        for choice in choices:
            which = (
                {"this_job": choice.seq} if attempt < MAX_SINGLE_STATEMENT_TRIES else {"this_account": choice.account}
            )
            if (row := _TAKE.first(conn, values | which)) is not None:
                if conn.dialect.name != POSTGRES:
                    counters.apply_effects(conn, row, values)
                return row
        if not choices:
            break
    return None


def _give_up(conn: Connection, job: Job, now: float) -> None:
    """Fail a job whose run can't be read, so that it doesn't block the queue."""
    end = {"error": _UNREADABLE, "delivery": Delivery.PENDING, "finished": now, "not_before": 0.0}
    transitions.transition(conn, job, JobState.FAILED, end, now, again=False)
