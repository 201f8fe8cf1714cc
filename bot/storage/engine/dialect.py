"""The two places where SQLite and PostgreSQL differ: upserts and the current time."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement


def storable(text: str) -> str:
    """Remove what PostgreSQL refuses: zero bytes and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


ONE: Final = sa.literal_column("1", sa.Integer)
"""A literal LIMIT, which a cached plan knows: for a parameter, PostgreSQL assumes a tenth of the table."""

Insert = sqlite.Insert | postgresql.Insert


def insert(dialect: str, table: Table) -> Insert:
    """Return an INSERT that supports `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def lease_time(dialect: str, now: ColumnElement[float]) -> ColumnElement[float]:
    """Return the current time for leases: PostgreSQL's clock, shared by all machines, or `now` on SQLite."""
    if dialect == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
    return now
