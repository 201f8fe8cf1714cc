"""`PolicyRepository` over a database: role rules, pauses, and what members have used."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import ColumnElement

from bot.policy.pauses import Pause
from bot.policy.quotas import DAY, WEEK, Usage
from bot.policy.role_rules import RoleRule
from bot.policy.terms import account_key
from bot.storage.engine.compiled import CompiledStatement
from bot.storage.engine.dialect import insert, number, storable
from bot.storage.schema.tables import job as jobs
from bot.storage.schema.tables import pause as pauses
from bot.storage.schema.tables import role_rule as rules
from bot.storage.schema.tables import usage
from bot.storage.sql_repository import SqlRepository, reads, writes

MAX_RULES: Final = 500
"""A guild has up to 250 roles; rules of deleted roles stay."""
MAX_PAUSES: Final = 10_000


# ------------------------------------------------------------------ rules


def _rules(conn: Connection, guild_id: int) -> list[RoleRule]:
    query = sa.select(rules).where(rules.c.guild_id == guild_id).order_by(rules.c.role_id).limit(MAX_RULES)
    return [RoleRule(**row) for row in conn.execute(query).mappings()]


def _set_rule(conn: Connection, rule: RoleRule) -> None:
    values = asdict(rule)
    grants = {name: value for name, value in values.items() if name not in ("guild_id", "role_id")}
    if all(value is None for value in grants.values()):
        this = (rules.c.guild_id == rule.guild_id, rules.c.role_id == rule.role_id)
        conn.execute(sa.delete(rules).where(*this))
        return
    entry = insert(conn.dialect.name, rules).values(values)
    conn.execute(entry.on_conflict_do_update(index_elements=[rules.c.guild_id, rules.c.role_id], set_=grants))


# ------------------------------------------------------------------ pauses


def _pauses(conn: Connection, now: float) -> list[Pause]:
    active = sa.or_(pauses.c.until.is_(None), pauses.c.until > now)
    query = sa.select(pauses).where(active).order_by(pauses.c.at.desc(), pauses.c.scope).limit(MAX_PAUSES)
    return [_read_pause(row) for row in conn.execute(query).mappings()]


def _read_pause(row: Mapping[Any, Any]) -> Pause:
    by = int(row["by"]) if row["by"].isdecimal() else 0
    return Pause(scope=row["scope"], by=by, reason=row["reason"], at=float(row["at"]), until=row["until"])


def _pause(conn: Connection, pause: Pause) -> None:
    """Write a pause and delete expired ones, which nothing else does."""
    scope = storable(pause.scope)
    conn.execute(sa.delete(pauses).where(pauses.c.until <= pause.at, pauses.c.scope != scope))
    values = {"by": str(pause.by), "reason": storable(pause.reason), "until": pause.until, "at": pause.at}
    entry = insert(conn.dialect.name, pauses).values(scope=scope, **values)
    conn.execute(entry.on_conflict_do_update(index_elements=[pauses.c.scope], set_=values))


def _resume(conn: Connection, scope: str) -> bool:
    return bool(conn.execute(sa.delete(pauses).where(pauses.c.scope == storable(scope))).rowcount)


# ------------------------------------------------------------------ usage


def _usage(conn: Connection, guild_id: int | None, user_id: int, now: float) -> Usage:
    account_id = account_key(guild_id, user_id)
    member = {"this_account": account_id, "this_user": user_id}
    used = _USED.first(conn, {"this_account": account_id, "day": now - DAY, "week": now - WEEK}) or {}
    newest = _NEWEST.first(conn, member)
    return Usage(
        **{name: value for name, value in used.items() if value is not None},
        **_pending(_PENDING.rows(conn, member)),
        last_asked=newest["created"] if newest else 0.0,
    )


def _used_sql(_dialect: str, _names: Sequence[str]) -> ClauseElement:
    """Return the query for what an account has used within a day and a week."""
    day = usage.c.at > sa.bindparam("day", type_=sa.Double)
    columns: dict[str, ColumnElement[Any]] = {
        "day_seconds": sa.func.sum(usage.c.gpu_seconds).filter(day),
        "week_seconds": sa.func.sum(usage.c.gpu_seconds),
        "day_pictures": sa.func.sum(usage.c.pictures).filter(day),
        "week_pictures": sa.func.sum(usage.c.pictures),
        "oldest_day": sa.func.min(usage.c.at).filter(day),
        "oldest_week": sa.func.min(usage.c.at),
    }
    return sa.select(*(column.label(name) for name, column in columns.items())).where(
        usage.c.account_id == sa.bindparam("this_account", type_=sa.Text),
        usage.c.at > sa.bindparam("week", type_=sa.Double),
        usage.c.counted,
    )


_OWN_JOBS: Final = (
    jobs.c.user_id == sa.bindparam("this_user", type_=sa.BigInteger),
    jobs.c.account_id == sa.bindparam("this_account", type_=sa.Text),
)
"""The user comes first: the index by user also holds the state."""
_STARTS_OR_RUNS: Final = sa.text("state IN ('held', 'queued', 'running')")
_NOT_REFUSED: Final = sa.text("NOT (state IN ('failed', 'cancelled') AND attempts = 0)")
"""Refused jobs never reached a server: their images were unusable, or the member cancelled in time."""


def _pending_sql(_dialect: str, _names: Sequence[str]) -> ClauseElement:
    seconds = sa.func.coalesce(sa.func.sum(jobs.c.cost_est), 0.0).label("seconds")
    pictures = sa.func.sum(jobs.c.pictures_est).label("pictures")
    each = sa.select(jobs.c.state, sa.func.count().label("number"), seconds, pictures)
    return each.where(*_OWN_JOBS, _STARTS_OR_RUNS).group_by(jobs.c.state)


def _pending(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    numbers = {row["state"]: row["number"] for row in rows}
    running = numbers.get("running", 0)
    pending = sum(numbers.values())
    return {
        "pending_seconds": sum(float(row["seconds"]) for row in rows),
        "pending_pictures": sum(int(row["pictures"]) for row in rows),
        "pending": pending,
        "waiting": pending - running,
        "running": running,
    }


def _newest_sql(_dialect: str, _names: Sequence[str]) -> ClauseElement:
    newest = sa.select(jobs.c.created).where(*_OWN_JOBS, _NOT_REFUSED)
    return newest.order_by(jobs.c.seq.desc()).limit(number(1))


_USED: Final = CompiledStatement(_used_sql)
_PENDING: Final = CompiledStatement(_pending_sql)
_NEWEST: Final = CompiledStatement(_newest_sql)


class SqlPolicyRepository(SqlRepository):
    """Implements `PolicyRepository`."""

    rules = reads(_rules)
    set_rule = writes(_set_rule, single=True, durable=True)
    usage = reads(_usage)
    pauses = reads(_pauses)
    pause = writes(_pause, durable=True)

    async def resume(self, scope: str) -> bool:
        return await self.engine.write(lambda conn, again: _resume(conn, scope) or again, single=True, durable=True)
