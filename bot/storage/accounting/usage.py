"""The ledger of GPU time: one row per run, written when it leaves its server, and the final charge to its account.

A claim charges the account with the expected time. At the end, what remains of that charge after decay is refunded and
the actual time is charged instead; nothing if the server gave the job back.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from bot.jobs.job import Job, JobState
from bot.jobs.repository import PastRun
from bot.storage.accounting import fair_share_sql
from bot.storage.accounting.counters import SECONDS
from bot.storage.accounting.fair_share_sql import NOW
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import number, storable
from bot.storage.schema.tables import job as jobs
from bot.storage.schema.tables import usage

STARTED_AT: Final = "started_at"
"""Start of the run, passed at its end: a short run has not stored it before."""
ENDED_AT: Final = "ended_at"
_ZERO: Final = number(0.0)

# ------------------------------------------------------------------ the end of a run


def values(job: Job, moved: Job, now: float) -> Values:
    """Return the parameters for a job that was RUNNING and becomes `moved`.

    Quotas count runs that were delivered or cancelled, not those that failed or were lost.
    """
    return {
        STARTED_AT: moved.started,
        ENDED_AT: moved.finished or now,
        "is_kept": float(moved.state is not JobState.QUEUED),
        "now": now,
        "run_pictures": len(moved.outputs),
        "run_counted": moved.state in (JobState.DELIVERING, JobState.CANCELLED),
        "run_workflow": storable(job.spec.workflow),
    }


def settled() -> dict[str, ColumnElement[Any]]:
    """Return the other job columns that the end changes. A prompt that was never submitted has used nothing."""
    started = sa.bindparam(STARTED_AT, type_=sa.Double)
    seconds = sa.bindparam(ENDED_AT, type_=sa.Double) - started
    was_run = sa.and_(jobs.c.posted, started != _ZERO, seconds > _ZERO)
    return {"cost_used": sa.case((was_run, seconds), else_=_ZERO)}


_CHARGE: Final = sa.func.coalesce(jobs.c.cost_est, _ZERO) * fair_share_sql.decay(jobs.c.charged_at, NOW)
SETTLED: Final = (
    jobs.c.cost_used,
    (sa.bindparam("is_kept", type_=sa.Double) * jobs.c.cost_used - _CHARGE).label(SECONDS),
)
"""Columns that the end returns: the seconds of the run, and the seconds to charge."""

# ------------------------------------------------------------------ the rows

_RUN: Final = ("epoch", "account_id", "guild_id", "user_id", "server")
_OWN: Final = ("pictures", "counted", "workflow")
_COLUMNS: Final = ("job_id", *_RUN, "gpu_seconds", "at", *_OWN)


def _bound(name: str) -> ColumnElement[Any]:
    return sa.bindparam(f"run_{name}", type_=usage.c[name].type)


def cte_effects(moved: CTE, names: Sequence[str]) -> list[CTE]:
    """Return the INSERT of the ledger row as a CTE of the statement that ends the run."""
    if ENDED_AT not in names:
        return []
    row = (moved.c.id, *(moved.c[name] for name in _RUN), moved.c.cost_used, NOW, *(_bound(name) for name in _OWN))
    was_run = (moved.c.posted, moved.c.started != _ZERO)
    return [sa.insert(usage).from_select(_COLUMNS, sa.select(*row).where(*was_run)).cte("written")]


_WRITE: Final = CompiledStatement(
    lambda _dialect, _names: sa.insert(usage).values({name: _bound(name) for name in _COLUMNS})
)


def apply_effects(conn: Connection, row: Values, given: Values) -> None:
    """Insert the ledger row as a separate statement."""
    if ENDED_AT not in given or not row["posted"] or not row["started"]:
        return
    run = {f"run_{name}": row[name] for name in _RUN} | {f"run_{name}": given[f"run_{name}"] for name in _OWN}
    facts = {"run_job_id": row["id"], "run_gpu_seconds": row["cost_used"], "run_at": given["now"]}
    _WRITE.run(conn, run | facts)


_PAST: Final = CompiledStatement(
    lambda _dialect, _names: (
        sa.select(usage.c.workflow, usage.c.server, usage.c.gpu_seconds)
        .where(usage.c.pictures > 0)
        .order_by(usage.c.at.desc())
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
)


def past_runs(conn: Connection, limit: int) -> list[PastRun]:
    found = _PAST.rows(conn, {"most": limit})
    return [PastRun(row["workflow"], row["server"], float(row["gpu_seconds"])) for row in reversed(found)]


def forgive(conn: Connection, job_id: str) -> None:
    """Exclude a job from quotas: its result couldn't be delivered, through no fault of the member."""
    conn.execute(sa.update(usage).where(usage.c.job_id == job_id).values(counted=False))
