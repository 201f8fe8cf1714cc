"""Updates an account and its guild when one of their jobs changes: job counters and GPU usage.

Part of the transaction that changes the job. Rows are always locked in the order job, account, guild, so that two
transactions can't deadlock. A wrong counter is not refused; `recount` corrects it later. What these statements cost is
why PostgreSQL gets them as parts of another one: see `bot.storage.jobs.claim`.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE

from bot.jobs.job import Job, JobState
from bot.policy.terms import QueueTerms, guild_key
from bot.storage.accounting import fair_share_sql
from bot.storage.accounting.fair_share_sql import NOW
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import Insert, insert
from bot.storage.rows import account_of
from bot.storage.schema.tables import account as accounts
from bot.storage.schema.tables import guild as guilds

COUNTED: Final = {JobState.QUEUED: "waiting", JobState.RUNNING: "running"}
SECONDS: Final = "seconds"
"""Column that a job's change returns when its account must be charged: the GPU-seconds to charge."""


def ready(waiting: ColumnElement[int], running: ColumnElement[int], cap: ColumnElement[Any]) -> ColumnElement[int]:
    """SQL: whether a server may take another job of this account (1 or 0)."""
    below_cap = sa.or_(cap.is_(None), running < cap)
    return sa.case((sa.and_(waiting > 0, below_cap), 1), else_=0)


# ------------------------------------------------------------------ changed jobs


def steps(before: JobState, after: JobState, now: float) -> Values:
    """Return the changes to the account's counters when a job changes state; empty if there are none."""
    if before not in COUNTED and after not in COUNTED:
        return {}
    more: Values = {"more_waiting": 0, "more_running": 0}
    for state, step in ((before, -1), (after, +1)):
        if state in COUNTED:
            more[f"more_{COUNTED[state]}"] += step
    return more | {"now": now}


def _counted(account_id: ColumnElement[str], seconds: ColumnElement[float] | None) -> sa.Update:
    """Return the UPDATE that applies a job's `steps` and its charge to the account."""
    more_waiting, more_running = (
        sa.bindparam(name, type_=sa.Integer) for name in ("more_waiting", "more_running")
    )  # fmt: skip
    waiting, running = accounts.c.waiting + more_waiting, accounts.c.running + more_running
    # A job that a server gave back counts as waiting since it was claimed
    comes = sa.and_(accounts.c.waiting == 0, more_waiting > 0, more_running == 0)
    values = {
        "waiting": waiting,
        "running": running,
        "ready": ready(waiting, running, accounts.c.cap),
        "waits_since": sa.case((sa.or_(more_running > 0, comes), NOW), else_=accounts.c.waits_since),
    }
    if seconds is not None:
        values |= fair_share_sql.charged(accounts, seconds, accounts.c.weight)
    return sa.update(accounts).where(accounts.c.account_id == account_id).values(values).returning(accounts.c.guild_key)


def _charged(key: ColumnElement[str], seconds: ColumnElement[float]) -> sa.Update:
    return sa.update(guilds).where(guilds.c.guild_key == key).values(fair_share_sql.charged(guilds, seconds))


def cte_effects(changed: CTE, names: Sequence[str]) -> list[CTE]:
    """Return the account and guild updates as CTEs of the statement that changes the job."""
    if "more_waiting" not in names:
        return []
    if SECONDS not in changed.c:
        return [_counted(changed.c.account_id, None).cte("counted")]
    counted = _counted(changed.c.account_id, changed.c[SECONDS]).cte("counted")
    return [counted, _charged(counted.c.guild_key, changed.c[SECONDS]).cte("guild_charged")]


_ACCOUNT: Final[ColumnElement[str]] = sa.bindparam("this_account", type_=sa.Text)
_SECONDS: Final[ColumnElement[float]] = sa.bindparam(SECONDS, type_=sa.Double)
_COUNT: Final = CompiledStatement(lambda _dialect, names: _counted(_ACCOUNT, _SECONDS if SECONDS in names else None))
_CHARGE: Final = CompiledStatement(
    lambda _dialect, _names: _charged(sa.bindparam("this_guild", type_=sa.Text), _SECONDS)
)
_STEPS: Final = ("more_waiting", "more_running", "now")


def apply_effects(conn: Connection, row: Values, values: Values) -> None:
    """Run the account and guild updates as separate statements; `row` is the changed job."""
    if "more_waiting" not in values:
        return
    charge = {SECONDS: row[SECONDS]} if SECONDS in row else {}
    step = {name: values[name] for name in _STEPS}
    account = _COUNT.first(conn, {"this_account": row["account_id"], **step, **charge})
    if account is not None and charge:
        _CHARGE.run(conn, {"this_guild": account["guild_key"], "now": values["now"], **charge})


# ------------------------------------------------------------------ new jobs

_NEW: Final = ("account_id", "guild_key", "guild_id", "user_id", "waiting", "ready", "waits_since")
_TERMS: Final = ("tier", "weight", "cap")


def entry(job: Job, terms: QueueTerms | None, now: float) -> Values:
    waiting = int(job.state is JobState.QUEUED)
    cap = terms.cap if terms else None
    is_ready = int(waiting > 0 and (cap is None or cap > 0))
    guild_id, user_id = job.place.guild_id, job.requester.user_id
    row = (account_of(job), guild_key(guild_id), guild_id, user_id, waiting, is_ready, now)
    values = dict(zip(_NEW, row, strict=True))
    if terms is not None:
        values |= {"tier": terms.lane, "weight": terms.weight, "cap": terms.cap}
    return {f"account_{name}": value for name, value in values.items()}


def entered(dialect: str, names: Sequence[str], new: CTE | None = None) -> ReturningInsert[Any]:
    """Return the upsert of the account for a new job: one of the rows of `new`, if given."""
    columns = [name for name in (*_NEW, *_TERMS) if f"account_{name}" in names]
    values = [sa.bindparam(f"account_{name}", type_=accounts.c[name].type) for name in columns]
    if new is None:
        coming = insert(dialect, accounts).values(dict(zip(columns, values, strict=True)))
    else:
        coming = insert(dialect, accounts).from_select(columns, sa.select(*values).select_from(new))
    excluded = coming.excluded
    waiting = accounts.c.waiting + excluded.waiting
    comes = sa.and_(accounts.c.waiting == 0, excluded.waiting > 0)
    cap = excluded.cap if "cap" in columns else accounts.c.cap
    changes: dict[str, ColumnElement[Any]] = {
        "waiting": waiting,
        "ready": ready(waiting, accounts.c.running, cap),
        "waits_since": sa.case((comes, excluded.waits_since), else_=accounts.c.waits_since),
        **{name: excluded[name] for name in _TERMS if name in columns},
    }
    upsert = coming.on_conflict_do_update(index_elements=[accounts.c.account_id], set_=changes)
    return upsert.returning(accounts.c.guild_key)


def guild_opened(dialect: str, account: CTE | None = None) -> Insert:
    """Return the insert of the account's guild; does nothing if the guild exists."""
    source = sa.select(account.c.guild_key) if account is not None else sa.select(_KEY)
    return insert(dialect, guilds).from_select(["guild_key"], source.where(sa.true())).on_conflict_do_nothing()


_KEY: Final = sa.bindparam("account_guild_key", type_=sa.Text)
_ENTER: Final = CompiledStatement(lambda dialect, names: entered(dialect, names))
_OPEN: Final = CompiledStatement(lambda dialect, _names: guild_opened(dialect))


def enter(conn: Connection, new: Values) -> None:
    """Count a new job, creating its account and guild if needed."""
    _ENTER.run(conn, new)
    _OPEN.run(conn, {"account_guild_key": new["account_guild_key"]})
