"""The two places where SQLite and PostgreSQL need different words: an insert that may collide, and the time."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

ONE: Final = sa.literal_column("1", sa.Integer)
"""A limit that a kept plan knows: of one that is a parameter, PostgreSQL assumes a tenth of the table."""

Insert = sqlite.Insert | postgresql.Insert


def insert(dialect: str, table: Table) -> Insert:
    """Return an insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def lease_time(dialect: str, now: ColumnElement[float]) -> ColumnElement[float]:
    """Return the time by which leases are judged.

    Several machines share a PostgreSQL, so that its clock decides; an SQLite file has one machine, whose time is `now`.
    """
    if dialect == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
    return now
