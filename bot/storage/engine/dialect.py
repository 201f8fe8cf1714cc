"""Where SQLite and PostgreSQL differ: upserts, the clock of leases, locks, texts, and LIMIT."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

POSTGRES: Final = "postgresql"
"""The name of a dialect; the other one is "sqlite"."""
Insert = sqlite.Insert | postgresql.Insert


def number(value: float) -> ColumnElement[Any]:
    """SQL: a literal, which a cached plan knows: for a LIMIT parameter, PostgreSQL assumes a tenth of the table."""
    return sa.literal_column(repr(value), sa.Integer if isinstance(value, int) else sa.Double)


def insert(dialect: str, table: Table) -> Insert:
    """Return an INSERT that supports `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if dialect == POSTGRES else sqlite.insert(table)


def lease_time(dialect: str, now: ColumnElement[float]) -> ColumnElement[float]:
    """Return the current time for leases: PostgreSQL's clock, shared by all machines, or `now` on SQLite."""
    if dialect == POSTGRES:
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
    return now


def advisory_lock(conn: Connection, key: int) -> None:
    """Keep other processes out of what `key` stands for until the transaction ends. SQLite has one writer anyway."""
    if conn.dialect.name == POSTGRES:
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def storable(text: str) -> str:
    """Remove what PostgreSQL refuses: zero bytes and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
