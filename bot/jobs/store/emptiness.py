"""Checks that the target of a copy is empty and unused, and prepares it before and after."""

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
"""Tables that every start of a bot fills again."""
_ADVISORY_LOCK: Final = 0x636F6D6670
"""Shared by all processes that copy into the same PostgreSQL."""


def is_in_use(conn: Connection, now: float, *, but: str = "") -> bool:
    """Whether any process other than `but` uses the database; for SQLite, the lock file was checked before."""
    return conn.dialect.name == POSTGRES and processes.is_in_use(conn, now, but=but)


def lock(conn: Connection) -> None:
    """Let no other copy begin before the transaction ends."""
    if conn.dialect.name == POSTGRES:
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def clear(conn: Connection) -> None:
    """Delete what a first start or an interrupted copy left. Raises `StartupError` if there is anything else.

    Must share a transaction with the first writes.
    """
    if facts.copy_under_way(conn) is None:
        full = sorted(_full(conn))
        if full:
            raise StartupError(
                _("The new database is not empty ({tables}). Nothing was changed. Use an empty one.",
                  tables=", ".join(full))
            )  # fmt: skip
    if conn.dialect.name == POSTGRES:  # deleting a million rows would exceed the statement timeout
        conn.execute(sa.text(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)}"))
        return
    for table in reversed(metadata.sorted_tables):
        conn.execute(sa.delete(table))


def _full(conn: Connection) -> Iterator[str]:
    """Yield the names of tables with data that a user would miss."""
    for table in metadata.sorted_tables:
        if table in _HOUSEKEEPING:
            continue
        rows = sa.select(sa.literal(1)).select_from(table).limit(1)
        if table is server:
            rows = rows.where(server.c.source == servers.COMMAND)
        if conn.execute(rows).first():
            yield table.name


def number_on(conn: Connection) -> None:
    """Set sequences past the copied rows; SQLite does this by itself."""
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
