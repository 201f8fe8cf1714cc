"""Queries for the accounts that could be next on a server, each with the job it would get. Read-only.

`bot.policy.fair_share.order` decides among them. These queries only guarantee that the account it would choose out of
all is included: the priority lane, accounts that have waited too long, and the first of the guild that is next.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from string import Formatter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, TextClause
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CTE, FromClause, Subquery

from bot.policy.fair_share import (
    NO_USAGE_SCORE,
    OVERTAKING_LIMIT,
    STARVATION_LIMIT,
    Candidate,
    Share,
    order,
)
from bot.policy.pauses import ANYWHERE, EVERYTHING, GUILD_SCOPE, MEMBER_SCOPE, WORKFLOW_SCOPE
from bot.storage.accounting.fair_share_sql import NOW
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import POSTGRES, number
from bot.storage.schema.tables import QUEUED, READY, RUNNING, UNFINISHED, WAITING, fit, pause
from bot.storage.schema.tables import account as accounts
from bot.storage.schema.tables import guild as guilds
from bot.storage.schema.tables import job as jobs
from bot.storage.schema.tables import server as servers
from bot.storage.servers import leases

MAX_CANDIDATES: Final = 8
"""Accounts read per kind: enough for several concurrent claims, and to find loaded models."""
MAX_SCANNED: Final = 2000
"""Accounts scanned to find those few."""

SERVER: Final[ColumnElement[str]] = sa.bindparam("this_server", type_=sa.Text)
PROMPT: Final[ColumnElement[str]] = sa.bindparam("this_prompt", type_=sa.Text)
ORDER: Final = (jobs.c.priority, jobs.c.seq)
"""A requeued job keeps its `seq`, and so its place among the jobs of its account."""


_NOTHING: Final[ColumnElement[str]] = sa.literal_column("''", sa.Text)


# ------------------------------------------------------------------ conditions


def _any(table: sa.Table, *conditions: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """SQL: whether there is a row. Evaluated on demand, while PostgreSQL may turn EXISTS into a join of everything."""
    found = sa.select(number(1)).select_from(table).where(*conditions).limit(number(1))
    return found.correlate_except(table).scalar_subquery().is_not(None)


def _paused(*scopes: ColumnElement[str]) -> ColumnElement[bool]:
    return _any(pause, pause.c.scope.in_(scopes), sa.or_(pause.c.until.is_(None), pause.c.until > NOW))


def _scope(template: str, **fields: ColumnElement[str]) -> ColumnElement[str]:
    """SQL: a pause scope, from one of the templates of `bot.policy.pauses`."""
    parts: list[ColumnElement[str]] = []
    for text, name, _spec, _conversion in Formatter().parse(template):
        parts += [_quoted(text)] if text else []
        parts += [fields[name]] if name else []
    return reduce(operator.add, parts)


def _quoted(text: str) -> ColumnElement[str]:
    return sa.literal_column(f"'{text}'", sa.Text)


def claimed() -> ColumnElement[bool]:
    """SQL: whether this prompt id already got its job."""
    return sa.and_(UNFINISHED, jobs.c.server == SERVER, RUNNING, jobs.c.prompt_id == PROMPT)


def holds_lease(dialect: str) -> ColumnElement[bool]:
    """SQL: whether the claiming process holds the server's lease and it is not drained; locks the server's row."""
    lease = leases.locked(dialect).where(servers.c.enabled, sa.not_(servers.c.paused))
    return lease.scalar_subquery().is_not(None)


def _gate(dialect: str) -> ColumnElement[bool]:
    """SQL: what every claim needs, whichever account is next. Locks nothing; the update that takes the job does."""
    lease = _any(servers, *leases.holds(dialect), servers.c.enabled, sa.not_(servers.c.paused))
    unclaimed = sa.not_(_any(jobs, claimed()))
    return sa.and_(lease, unclaimed, sa.not_(_paused(_scope(EVERYTHING))), _any_compatible())


def _any_compatible() -> ColumnElement[bool]:
    """SQL: whether any job fits this server; if not, a long queue would be scanned in vain."""
    needs_nothing = _any(jobs, WAITING, QUEUED, jobs.c.cls == _NOTHING)
    return sa.or_(
        needs_nothing,
        _any(fit, fit.c.server_id == SERVER, fit.c.fits, _any(jobs, WAITING, QUEUED, jobs.c.cls == fit.c.cls)),
    )


def _is_compatible() -> ColumnElement[bool]:
    compatible = _any(fit, fit.c.server_id == SERVER, fit.c.cls == jobs.c.cls, fit.c.fits)
    return sa.or_(jobs.c.cls == _NOTHING, compatible)


def startable(account: FromClause) -> ColumnElement[bool]:
    """SQL: whether a job may start on the server now, looking only at the job itself."""
    names = [
        _scope(WORKFLOW_SCOPE, guild=guild, workflow=jobs.c.workflow)
        for guild in (_quoted(ANYWHERE), account.c.guild_key)
    ]
    # The workflow's name is stored after the spec, which may be long, so it is only read if any workflow is paused
    any_workflow_paused = _any(pause, pause.c.scope.startswith(WORKFLOW_SCOPE.partition("{")[0]))
    is_paused = sa.and_(any_workflow_paused, _paused(*names))
    return sa.and_(jobs.c.not_before <= NOW, _is_compatible(), sa.not_(is_paused))


def _first_job(account: FromClause, *more: ColumnElement[bool]) -> ColumnElement[int]:
    query = sa.select(jobs.c.seq).where(jobs.c.account_id == account.c.account_id, QUEUED, *more, startable(account))
    return query.order_by(*ORDER).limit(number(1)).correlate(account).scalar_subquery()


# ------------------------------------------------------------------ queries

_BY_SHARE: Final = (accounts.c.score, accounts.c.waits_since, accounts.c.account_id)
_IN_LANE: Final = accounts.c.tier < number(0)
_HAS_WAITED: Final = accounts.c.waits_since < NOW - number(STARVATION_LIMIT)
_ACCOUNT: Final = tuple(
    accounts.c[name] for name in ("account_id", "guild_key", "tier", "used", "used_at", "score", "waits_since")
)


def _unpaused(account: FromClause) -> ColumnElement[bool]:
    return sa.not_(
        _paused(_scope(GUILD_SCOPE, guild=account.c.guild_key), _scope(MEMBER_SCOPE, account=account.c.account_id))
    )


def _first_accounts(condition: ColumnElement[bool], *by: ColumnElement[Any], limit: int = MAX_CANDIDATES) -> Subquery:
    """Return the first accounts that meet a condition and have a job that can start.

    The inner limit keeps the planner from merging the two queries, so `head` is looked up at most once per account.
    """
    ready = sa.select(*_ACCOUNT, _first_job(accounts).label("head")).where(READY, condition, _unpaused(accounts))
    each = ready.order_by(*by).limit(number(MAX_SCANNED)).subquery()
    return sa.select(each).where(each.c.head.is_not(None)).limit(number(limit)).subquery()


def _next_guild() -> ColumnElement[str]:
    of_guild = (accounts.c.guild_key == guilds.c.guild_key, _unpaused(accounts))
    can_start = sa.and_(READY, *of_guild, _first_job(accounts).is_not(None))
    first = sa.select(accounts.c.account_id).where(can_start).order_by(*_BY_SHARE).limit(number(1)).correlate(guilds)
    has_one = sa.and_(
        sa.not_(_paused(_scope(GUILD_SCOPE, guild=guilds.c.guild_key))), first.scalar_subquery().is_not(None)
    )
    by_share = sa.select(guilds.c.guild_key).where(has_one).order_by(guilds.c.score, guilds.c.guild_key)
    return by_share.limit(number(1)).scalar_subquery()


def _with_jobs(names: Sequence[str], found: Subquery, *more: ColumnElement[Any]) -> sa.Select[Any]:
    head, warm = jobs.alias("first"), jobs.alias("warm")
    source = found.join(head, head.c.seq == found.c.head).outerjoin(guilds, guilds.c.guild_key == found.c.guild_key)
    columns: list[ColumnElement[Any]] = [*found.c, head.c.created, guilds.c.score.label("guild_score"), *more]
    if "loaded" in names:
        loaded = _first_job(found, jobs.c.model == sa.bindparam("loaded", type_=sa.Text))
        source = source.outerjoin(warm, sa.and_(warm.c.seq == loaded, warm.c.priority == head.c.priority))
        columns.append(warm.c.seq.label("warm"))
    return sa.select(*columns).select_from(source)


def _next(dialect: str, names: Sequence[str], limit: int = MAX_CANDIDATES) -> sa.Select[Any]:
    """Return the query for the first accounts of the next guild, and whether any account precedes guilds."""
    urgent = sa.or_(_any(accounts, READY, _IN_LANE), _any(accounts, READY, _HAS_WAITED)).label("is_any_urgent")
    found = _with_jobs(names, _of_guild(_next_guild(), limit), urgent)
    return found.where(_gate(dialect)) if dialect == POSTGRES else found  # SQLite would evaluate it last


def _of_guild(key: ColumnElement[str], limit: int) -> Subquery:
    return _first_accounts(accounts.c.guild_key == key, *_BY_SHARE, limit=limit)


def _urgent(_dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return the query for accounts that precede guilds: the priority lane, and those that waited too long."""
    lane = _with_jobs(names, _first_accounts(_IN_LANE, accounts.c.tier, *_BY_SHARE))
    return lane.union_all(_with_jobs(names, _first_accounts(_HAS_WAITED, accounts.c.waits_since)))


def at_once(dialect: str, names: Sequence[str]) -> tuple[CTE, sa.Select[int]]:
    """Return the first account of the next guild, and its job if `order` would certainly choose it.

    That is certain if no account precedes guilds, and the loaded model is wanted by this account or by none.
    """
    first = _next(dialect, names, 1).cte("first_one")
    job: ColumnElement[int] = first.c.head
    if "loaded" in names:
        others = _with_jobs(names, _of_guild(sa.select(first.c.guild_key).scalar_subquery(), MAX_CANDIDATES)).subquery()
        is_for_others = sa.select(number(1)).select_from(others).where(_is_loaded_sql(others)).limit(number(1))
        job = sa.case((_is_loaded_sql(first), first.c.warm), (is_for_others.scalar_subquery().is_(None), first.c.head))
    return first, sa.select(job).where(sa.not_(first.c.is_any_urgent))


def _is_loaded_sql(found: FromClause) -> ColumnElement[bool]:
    """`_is_loaded` as SQL."""
    return sa.or_(
        found.c.warm == found.c.head,
        sa.and_(found.c.warm.is_not(None), NOW - found.c.created < number(OVERTAKING_LIMIT)),
    )


_NEXT: Final = CompiledStatement(_next)
_URGENT: Final = CompiledStatement(_urgent)
_GATE: Final = CompiledStatement(lambda dialect, _names: sa.select(number(1).label("open")).where(_gate(dialect)))
_PARAMETERS: Final = ("this_server", "this_owner", "lease_now", "this_prompt", "now")

# ------------------------------------------------------------------ answers


@dataclass(frozen=True, slots=True)
class ClaimCandidates:
    """An account and the job it would get."""

    account: str
    seq: int


def parameters(values: Values, loaded: str) -> Values:
    """Return the parameters of `read_candidates` out of all those of a claim."""
    return {name: values[name] for name in _PARAMETERS} | ({"loaded": loaded} if loaded else {})


def read_candidates(conn: Connection, params: Values) -> list[ClaimCandidates]:
    """Return the accounts to try, next first; none if the server may not take anything now."""
    if conn.dialect.name != POSTGRES and _GATE.first(conn, {name: params[name] for name in _PARAMETERS}) is None:
        return []
    found, now = _NEXT.rows(conn, params), params["now"]
    if found and found[0]["is_any_urgent"]:
        found += _URGENT.rows(conn, params)
    rows = {row["account_id"]: row for row in found}
    ordered = order((_candidate(row, now) for row in rows.values()), now)
    return [ClaimCandidates(each.account, _job(rows[each.account], now)) for each in ordered]


def _job(row: Values, now: float) -> int:
    return row["warm"] if _is_loaded(row, now) else row["head"]


def _is_loaded(row: Values, now: float) -> bool:
    """Whether the account gets a job whose model is loaded: its first, or a later one while the first is recent."""
    warm = row.get("warm")
    return warm is not None and (warm == row["head"] or now - row["created"] < OVERTAKING_LIMIT)


def _candidate(row: Values, now: float) -> Candidate:
    return Candidate(
        account=row["account_id"],
        guild=row["guild_key"],
        score=row["score"],
        guild_score=NO_USAGE_SCORE if row["guild_score"] is None else row["guild_score"],
        waits_since=row["waits_since"],
        lane=row["tier"],
        is_loaded=_is_loaded(row, now),
        used=Share(row["used"], row["used_at"]).now(now),
    )
