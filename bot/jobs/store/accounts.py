"""The counters of accounts: how many jobs wait in the line, how many are with a server.

They change in the same transaction as the jobs, always after the job's own row is locked, so that two transactions
never wait for each other. A counter that is wrong delays nobody: it is corrected by `recount`, not forbidden.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from bot.jobs.job import Job, JobState
from bot.jobs.records import Drift
from bot.jobs.store.prepared import Prepared, Values
from bot.jobs.store.rows import account_of
from bot.jobs.store.statements import Insert, insert
from bot.jobs.store.tables import account as accounts
from bot.jobs.store.tables import job as jobs

_COUNTED = {JobState.QUEUED: "waiting", JobState.RUNNING: "running"}


def _ready(waiting: ColumnElement[int], running: ColumnElement[int]) -> ColumnElement[int]:
    below_cap = sa.or_(accounts.c.cap.is_(None), running < accounts.c.cap)
    return sa.case((sa.and_(waiting > 0, below_cap, sa.not_(accounts.c.paused)), 1), else_=0)


_NEW: Final = ("account_id", "guild_id", "user_id", "waiting", "ready")


def _new_values() -> list[ColumnElement[object]]:
    return [sa.bindparam(f"account_{name}", type_=accounts.c[name].type) for name in _NEW]


def shifted(account_id: ColumnElement[str]) -> sa.Update:
    """Return the change of an account by the `steps` of a job."""
    waiting = accounts.c.waiting + sa.bindparam("more_waiting", type_=sa.Integer)
    running = accounts.c.running + sa.bindparam("more_running", type_=sa.Integer)
    account = sa.update(accounts).where(accounts.c.account_id == account_id)
    return account.values(waiting=waiting, running=running, ready=_ready(waiting, running))


def entered(dialect: str, new: CTE | None = None) -> Insert:
    """Return the change of an account by a job that came: by one of the rows of `new`, if that is given."""
    if new is None:
        entry = insert(dialect, accounts).values(dict(zip(_NEW, _new_values(), strict=True)))
    else:
        entry = insert(dialect, accounts).from_select(list(_NEW), sa.select(*_new_values()).select_from(new))
    waiting = accounts.c.waiting + entry.excluded.waiting
    return entry.on_conflict_do_update(
        index_elements=[accounts.c.account_id], set_={"waiting": waiting, "ready": _ready(waiting, accounts.c.running)}
    )


_SHIFT: Final = Prepared(lambda _dialect, _names: shifted(sa.bindparam("this_account", type_=sa.Text)))
_ENTER: Final = Prepared(lambda dialect, _names: entered(dialect))


def steps(before: JobState, after: JobState) -> Values:
    """Return by how much a move of a job changes the counters of its account; nothing when it changes none."""
    if before not in _COUNTED and after not in _COUNTED:
        return {}
    more = {"more_waiting": 0, "more_running": 0}
    for state, step in ((before, -1), (after, +1)):
        if state in _COUNTED:
            more[f"more_{_COUNTED[state]}"] += step
    return more


def shift(conn: Connection, account_id: str, more: Values) -> None:
    """Change the counters of an account by `steps`."""
    if more:
        _SHIFT.run(conn, {"this_account": account_id, **more})


def entry(job: Job) -> Values:
    """Return the values of `entered` for a new job."""
    waiting = int(job.state is JobState.QUEUED)
    row = (account_of(job), job.place.guild_id, job.requester.user_id, waiting, waiting)
    return {f"account_{name}": value for name, value in zip(_NEW, row, strict=True)}


def enter(conn: Connection, job: Job) -> None:
    """Count a new job, in an account that is opened for it if there is none."""
    _ENTER.run(conn, entry(job))


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
