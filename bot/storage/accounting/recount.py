"""Compares the account counters with the jobs, corrects them, and creates missing accounts."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import SelectBase

from bot.jobs.repository import Drift
from bot.storage.accounting import counters
from bot.storage.engine.dialect import insert
from bot.storage.schema.tables import QUEUED, RUNNING, UNFINISHED
from bot.storage.schema.tables import account as accounts
from bot.storage.schema.tables import guild as guilds
from bot.storage.schema.tables import job as jobs

MAX_CORRECTED: Final = 200
"""Accounts corrected per call: even if all are wrong, a call must stay within its time limit."""

_COUNTED: Final[dict[str, ColumnElement[bool]]] = {"waiting": sa.and_(QUEUED), "running": sa.and_(UNFINISHED, RUNNING)}
"""Conditions worded like the partial indexes that serve them."""


def recount(conn: Connection) -> list[Drift]:
    """Correct wrong counters and return them.

    An account is locked before its jobs are counted, so that concurrent changes apply to the corrected numbers.
    """
    _create_missing(conn)
    drifts: list[Drift] = []
    for account_id in _suspects(conn)[:MAX_CORRECTED]:
        found = sa.select(accounts.c.waiting, accounts.c.running, accounts.c.ready, accounts.c.cap)
        stored = conn.execute(found.where(accounts.c.account_id == account_id).with_for_update()).mappings().one()
        counted = {name: _count(conn, account_id, condition) for name, condition in _COUNTED.items()}
        below_cap = stored["cap"] is None or counted["running"] < stored["cap"]
        counted["ready"] = int(counted["waiting"] > 0 and below_cap)
        wrong = [Drift(account_id, name, stored[name], number) for name, number in counted.items()]
        drifts += [drift for drift in wrong if drift.kept != drift.counted]
        conn.execute(sa.update(accounts).where(accounts.c.account_id == account_id).values(counted))
    return drifts


def _create_missing(conn: Connection) -> None:
    """Create missing accounts and guilds, without which jobs would wait forever."""
    key = sa.case((jobs.c.guild_id.is_(None), sa.literal("@me")), else_=sa.cast(jobs.c.guild_id, sa.Text))
    for condition in _COUNTED.values():
        firsts = sa.select(jobs.c.account_id, sa.func.min(jobs.c.seq).label("seq")).where(condition)
        first = firsts.group_by(jobs.c.account_id).subquery()
        known = sa.exists().where(accounts.c.account_id == first.c.account_id)
        lost = sa.select(jobs.c.account_id, key, jobs.c.guild_id, jobs.c.user_id).join(first, first.c.seq == jobs.c.seq)
        _insert_missing(conn, accounts, ["account_id", "guild_key", "guild_id", "user_id"], lost.where(sa.not_(known)))
    has_guild = sa.exists().where(guilds.c.guild_key == accounts.c.guild_key)
    _insert_missing(conn, guilds, ["guild_key"], sa.select(accounts.c.guild_key).where(sa.not_(has_guild)).distinct())


def _insert_missing(conn: Connection, table: sa.Table, columns: Sequence[str], missing: SelectBase) -> None:
    conn.execute(insert(conn.dialect.name, table).from_select(columns, missing).on_conflict_do_nothing())


def _suspects(conn: Connection) -> list[str]:
    """Return the accounts whose counters seem wrong; `recount` checks them again under a lock."""
    counted: dict[str, dict[str, int]] = {}
    for name, condition in _COUNTED.items():
        numbers = sa.select(jobs.c.account_id, sa.func.count()).where(condition).group_by(jobs.c.account_id)
        counted[name] = {row[0]: row[1] for row in conn.execute(numbers)}
    is_ready = counters.ready(accounts.c.waiting, accounts.c.running, accounts.c.cap)
    stored = sa.select(accounts.c.account_id, accounts.c.waiting, accounts.c.running, accounts.c.ready, is_ready)
    return [
        account_id
        for account_id, waiting, running, ready, should_be in conn.execute(stored.order_by(accounts.c.account_id))
        if (waiting, running) != (counted["waiting"].get(account_id, 0), counted["running"].get(account_id, 0))
        or ready != should_be
    ]


def _count(conn: Connection, account_id: str, condition: ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.account_id == account_id, condition)
    return conn.scalar(query) or 0
