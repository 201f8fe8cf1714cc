"""A snapshot of the queue for the forecast: the jobs that will be next, and the usage of their accounts.

Which jobs those are depends on usage and on run times. This module only estimates it, with turns of equal length, to
know how many jobs of each account to read; the forecast does it properly.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import ColumnElement

from bot.jobs.repository import AccountStatus, QueueEntry, QueueSnapshot
from bot.policy.fair_share import MIN_WEIGHT, Share
from bot.policy.terms import QueueTerms
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import POSTGRES, number
from bot.storage.schema.tables import HAS_QUEUED, QUEUED
from bot.storage.schema.tables import account as accounts
from bot.storage.schema.tables import guild as guilds
from bot.storage.schema.tables import job as jobs

TURN_SECONDS: Final = 8.0
"""GPU-seconds per turn. Deliberately short: reading too many jobs of an account is better than one too few."""
MAX_ACCOUNTS: Final = 2000
"""Accounts that are read."""

_ACCOUNT: Final = (
    "account_id", "guild_key", "tier", "weight", "cap", "used", "used_at", "waits_since", "waiting", "running",
)  # fmt: skip
_JOB: Final = ("id", "account_id", "user_id", "workflow", "cls", "cost_est", "not_before")


def _accounts(_dialect: str, _names: Sequence[str]) -> ClauseElement:
    joined = accounts.outerjoin(guilds, guilds.c.guild_key == accounts.c.guild_key)
    theirs = [guilds.c[name].label(f"guild_{name}") for name in ("used", "used_at")]
    query = sa.select(*(accounts.c[name] for name in _ACCOUNT), *theirs).select_from(joined).where(HAS_QUEUED)
    order = (accounts.c.tier, accounts.c.score, accounts.c.waits_since, accounts.c.account_id)
    return query.order_by(*order).limit(number(MAX_ACCOUNTS))


def _first(account_id: ColumnElement[str], limit: ColumnElement[int]) -> sa.Select[Any]:
    query = sa.select(*(jobs.c[name] for name in _JOB)).where(jobs.c.account_id == account_id, QUEUED)
    return query.order_by(jobs.c.priority, jobs.c.seq).limit(limit)


def _first_of_all(_dialect: str, _names: Sequence[str]) -> ClauseElement:
    """Return the query for the first jobs of many accounts in order: one round trip to PostgreSQL."""
    keys = sa.func.unnest(
        sa.bindparam("these_accounts", type_=sa.ARRAY(sa.Text)),
        sa.bindparam("these_numbers", type_=sa.ARRAY(sa.Integer)),
    ).table_valued("account_id", "number", with_ordinality="place", name="wanted")
    key = keys.render_derived()
    theirs = _first(key.c.account_id, key.c.number).lateral("theirs")
    return sa.select(theirs).select_from(key.join(theirs, sa.true()))


_ACCOUNTS: Final = CompiledStatement(_accounts)
_FIRST: Final = CompiledStatement(
    lambda _dialect, _names: _first(
        sa.bindparam("this_account", type_=sa.Text), sa.bindparam("this_number", type_=sa.Integer)
    )
)
_FIRST_OF_ALL: Final = CompiledStatement(_first_of_all)
_LENGTH: Final = CompiledStatement(
    lambda _dialect, _names: sa.select(sa.func.coalesce(sa.func.sum(accounts.c.waiting), 0).label("length")).where(
        HAS_QUEUED
    )
)


def _length(conn: Connection) -> int:
    (row,) = _LENGTH.rows(conn, {})
    return int(row["length"])


def snapshot(conn: Connection, now: float, limit: int) -> QueueSnapshot:
    accounts_read = {row["account_id"]: row for row in _ACCOUNTS.rows(conn, {})}
    counts: dict[str, int] = {}
    for account_id in islice(_turns(accounts_read.values(), now), limit):
        counts[account_id] = counts.get(account_id, 0) + 1
    waiting = [_waiting(row, accounts_read[row["account_id"]]) for row in _jobs(conn, counts)]
    chosen = [accounts_read[account_id] for account_id in counts]
    return QueueSnapshot(
        waiting=waiting,
        accounts={row["account_id"]: _account(row) for row in chosen},
        guilds={row["guild_key"]: _guild_share(row) for row in chosen},
        total=_length(conn)
        if len(accounts_read) == MAX_ACCOUNTS
        else sum(row["waiting"] for row in accounts_read.values()),
    )


def _jobs(conn: Connection, counts: Mapping[str, int]) -> Iterator[Values]:
    if conn.dialect.name == POSTGRES:
        keys, numbers = list(counts), list(counts.values())
        yield from _FIRST_OF_ALL.rows(conn, {"these_accounts": keys, "these_numbers": numbers})
        return
    for account_id, count in counts.items():
        yield from _FIRST.rows(conn, {"this_account": account_id, "this_number": count})


def _turns(accounts_read: Iterable[Values], now: float) -> Iterator[str]:
    """Yield accounts in order of their turns: by lane, then by the guild's usage, then by the member's."""
    used: dict[str, float] = {}
    lanes: dict[int, dict[str, _GuildMembers]] = {}
    for row in accounts_read:
        key = row["guild_key"]
        if key not in used:
            used[key] = _guild_share(row).now(now)
        lanes.setdefault(row["tier"], {}).setdefault(key, _GuildMembers(now)).rows.append(row)
    for _lane, by_guild in sorted(lanes.items()):
        heap = [(used[key], key) for key in by_guild]
        heapq.heapify(heap)
        while heap:
            _used, key = heapq.heappop(heap)
            yield by_guild[key].next()
            used[key] += TURN_SECONDS
            if by_guild[key].is_waiting:
                heapq.heappush(heap, (used[key], key))


class _GuildMembers:
    """The waiting members of a guild. `rows` are their accounts, next first; only those that get a turn are read."""

    def __init__(self, now: float) -> None:
        self.rows: list[Values] = []
        self._now = now
        self._next_row = 0
        self._requeued: list[tuple[float, str, int, Values]] = []
        """A heap of members waiting for another turn: usage by then, account, turns so far, row."""

    @property
    def is_waiting(self) -> bool:
        return bool(self._requeued) or self._next_row < len(self.rows)

    def next(self) -> str:
        used, account_id, turns, row = self._first()
        if turns + 1 < row["waiting"]:
            used += TURN_SECONDS / max(row["weight"], MIN_WEIGHT)
            heapq.heappush(self._requeued, (used, account_id, turns + 1, row))
        return account_id

    def _first(self) -> tuple[float, str, int, Values]:
        if self._next_row < len(self.rows):
            row = self.rows[self._next_row]
            used = Share(row["used"], row["used_at"]).now(self._now)
            if not self._requeued or used <= self._requeued[0][0]:
                self._next_row += 1
                return (used, row["account_id"], 0, row)
        return heapq.heappop(self._requeued)


def _guild_share(row: Values) -> Share:
    return Share(row["guild_used"] or 0.0, row["guild_used_at"] or 0.0)


def _account(row: Values) -> AccountStatus:
    return AccountStatus(
        share=Share(row["used"], row["used_at"]),
        terms=QueueTerms(weight=row["weight"], cap=row["cap"], lane=row["tier"]),
        running=row["running"],
        waits_since=row["waits_since"],
    )


def _waiting(row: Values, account: Values) -> QueueEntry:
    return QueueEntry(
        job_id=row["id"],
        account=row["account_id"],
        user_id=row["user_id"],
        guild=account["guild_key"],
        workflow=row["workflow"],
        cls=row["cls"],
        seconds=float(row["cost_est"] or 0.0),
        not_before=float(row["not_before"]),
    )
