"""Whether a database is empty and idle enough to be filled as a whole, and what has to be done before and after."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table

from bot.errors import StartupError
from bot.i18n import _
from bot.jobs.store import facts, processes, servers
from bot.jobs.store.prepared import POSTGRES
from bot.jobs.store.ruletables import metadata
from bot.jobs.store.tables import fit, meta, process, server

_HOUSEKEEPING: Final = (fit, meta, process)
"""What a bot writes by itself when it starts, and will write again."""
_ADVISORY_LOCK: Final = 0x636F6D6670
"""One number for all who copy into the same PostgreSQL."""


def is_in_use(conn: Connection, now: float, *, but: str = "") -> bool:
    """Return whether any process but one works with the database. For a file, its lock says so before."""
    return conn.dialect.name == POSTGRES and processes.is_in_use(conn, now, but=but)


def lock(conn: Connection) -> None:
    """Let nobody else begin to fill this database before the end of the transaction."""
    if conn.dialect.name == POSTGRES:
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def clear(conn: Connection) -> None:
    """Take away what a first start left, or a copy that broke off. Raises `StartupError` when there is anything else.

    In one transaction with what is to be written first.
    """
    if facts.copy_under_way(conn) is None:
        full = sorted(_full(conn))
        if full:
            raise StartupError(
                _("The new database is not empty ({tables}). Nothing was changed. Name an empty one.",
                  tables=", ".join(full))
            )  # fmt: skip
    if conn.dialect.name == POSTGRES:  # to delete a million rows would take longer than one statement may
        conn.execute(sa.text(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)}"))
        return
    for table in reversed(metadata.sorted_tables):
        conn.execute(sa.delete(table))


def _full(conn: Connection) -> Iterator[str]:
    """Yield the names of tables that hold what somebody might miss."""
    for table in metadata.sorted_tables:
        if table in _HOUSEKEEPING:
            continue
        rows = sa.select(sa.literal(1)).select_from(table).limit(1)
        if table is server:
            rows = rows.where(server.c.source == servers.COMMAND)
        if conn.execute(rows).first():
            yield table.name


def number_on(conn: Connection) -> None:
    """Let new rows get higher numbers than those that were brought along; SQLite does so by itself."""
    if conn.dialect.name != POSTGRES:
        return
    for table, column in _numbered():
        last = conn.scalar(sa.select(sa.func.max(column)))
        if last is not None:
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            conn.execute(sa.select(sa.func.setval(sequence, last)))


def _numbered() -> Iterator[tuple[Table, Column[int]]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.identity is not None:
                yield table, column
