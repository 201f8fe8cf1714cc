"""The counters of accounts: how many jobs wait in the line, how many are with a server.

They change in the same transaction as the jobs, always after the job's own row is locked, so that two transactions
never wait for each other. A counter that is wrong delays nobody: it is corrected by `recount`, not forbidden.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement

from bot.jobs.job import Job, JobState
from bot.jobs.records import Drift
from bot.jobs.store.rows import account_of
from bot.jobs.store.statements import insert
from bot.jobs.store.tables import account as accounts
from bot.jobs.store.tables import job as jobs

_COUNTED = {JobState.QUEUED: "waiting", JobState.RUNNING: "running"}


def _ready(waiting: ColumnElement[int], running: ColumnElement[int]) -> ColumnElement[int]:
    below_cap = sa.or_(accounts.c.cap.is_(None), running < accounts.c.cap)
    return sa.case((sa.and_(waiting > 0, below_cap, sa.not_(accounts.c.paused)), 1), else_=0)


def _shifted() -> sa.Update:
    waiting = accounts.c.waiting + sa.bindparam("more_waiting", type_=sa.Integer)
    running = accounts.c.running + sa.bindparam("more_running", type_=sa.Integer)
    account = sa.update(accounts).where(accounts.c.account_id == sa.bindparam("this_account"))
    return account.values(waiting=waiting, running=running, ready=_ready(waiting, running))


_SHIFT: Final = _shifted()


@cache
def _enter(dialect: str) -> Any:
    new = insert(dialect, accounts)
    waiting = accounts.c.waiting + new.excluded.waiting
    return new.on_conflict_do_update(
        index_elements=[accounts.c.account_id], set_={"waiting": waiting, "ready": _ready(waiting, accounts.c.running)}
    )


def shift(conn: Connection, account_id: str, before: JobState | None, after: JobState) -> None:
    """Move a job from one counter of its account to another."""
    steps = {"waiting": 0, "running": 0}
    for state, step in ((before, -1), (after, +1)):
        if state is not None and state in _COUNTED:
            steps[_COUNTED[state]] += step
    if not any(steps.values()):
        return
    more = {"more_waiting": steps["waiting"], "more_running": steps["running"]}
    conn.execute(_SHIFT, {"this_account": account_id, **more})


def enter(conn: Connection, job: Job) -> None:
    """Count a new job, in an account that is opened for it if there is none."""
    waiting = int(job.state is JobState.QUEUED)
    row = {"account_id": account_of(job), "guild_id": job.place.guild_id, "user_id": job.requester.user_id}
    conn.execute(_enter(conn.dialect.name), row | {"waiting": waiting, "ready": waiting})


def recount(conn: Connection) -> list[Drift]:
    """Correct the counters that are not what the jobs say; return what was wrong.

    An account is locked before its jobs are counted: whoever is about to change it comes after us, and adds to the
    corrected number.
    """
    drifts: list[Drift] = []
    for account_id in _suspects(conn):
        lock = sa.select(accounts.c.waiting, accounts.c.running).where(accounts.c.account_id == account_id)
        kept = conn.execute(lock.with_for_update()).mappings().one()
        counted = dict.fromkeys(("waiting", "running"), 0) | _count(conn, account_id)
        wrong = [Drift(account_id, name, kept[name], number) for name, number in counted.items()]
        drifts += [drift for drift in wrong if drift.kept != drift.counted]
        ready = _ready(sa.literal(counted["waiting"]), sa.literal(counted["running"]))
        conn.execute(sa.update(accounts).where(accounts.c.account_id == account_id).values(**counted, ready=ready))
    return drifts


def _tally(state: JobState) -> ColumnElement[int]:
    return sa.func.count().filter(jobs.c.state == state.value)


def _suspects(conn: Connection) -> Sequence[str]:
    """Return the accounts whose counters differ from one snapshot of their jobs."""
    counted = (
        sa.select(
            jobs.c.account_id,
            _tally(JobState.QUEUED).label("waiting"),
            _tally(JobState.RUNNING).label("running"),
        )
        .where(jobs.c.state.in_([state.value for state in _COUNTED]))
        .group_by(jobs.c.account_id)
        .subquery()
    )
    differ = sa.or_(
        accounts.c.waiting != sa.func.coalesce(counted.c.waiting, 0),
        accounts.c.running != sa.func.coalesce(counted.c.running, 0),
    )
    both = accounts.outerjoin(counted, accounts.c.account_id == counted.c.account_id)
    query = sa.select(accounts.c.account_id).select_from(both).where(differ).order_by(accounts.c.account_id)
    return conn.scalars(query).all()


def _count(conn: Connection, account_id: str) -> dict[str, int]:
    query = (
        sa.select(jobs.c.state, sa.func.count())
        .where(jobs.c.account_id == account_id, jobs.c.state.in_([state.value for state in _COUNTED]))
        .group_by(jobs.c.state)
    )
    return {_COUNTED[JobState(state)]: number for state, number in conn.execute(query)}
