"""Copies all rows of one database into another: from SQLite to PostgreSQL, back, or from file to file.

While the copy runs, the target is marked (`database_info.COPYING`) and no bot starts on it; an interrupted copy starts
over. Processes and leases are not copied: nothing uses the target yet. Result files on disk are copied elsewhere.
"""

import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.errors import StartupError
from bot.i18n import Message, _
from bot.jobs.repository import DatabaseUnavailableError
from bot.storage.engine.base import Engine
from bot.storage.engine.compiled import Values
from bot.storage.engine.dialect import POSTGRES, advisory_lock, insert, storable
from bot.storage.schema import database_info
from bot.storage.schema.tables import fit, input_file, meta, metadata, process, result_file, server
from bot.storage.servers import heartbeats, server_rows

Say = Callable[[Message], None]

TABLES: Final = tuple(table for table in metadata.sorted_tables if table not in (meta, process))
"""Tables that are copied unchanged, parents before the rows that refer to them."""
MAX_ROWS: Final = 200
"""Rows per transaction."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Bytes of files per transaction, unless one file is larger."""
PROGRESS_INTERVAL: Final = 3.0
"""Seconds between two progress reports."""
HEARTBEAT_TTL: Final = 60.0
"""Seconds for which a copy counts as alive after its last heartbeat."""
ROLE: Final = "copy"

_FILES: Final = (input_file, result_file)
_NO_LEASE: Final[Mapping[str, object]] = {"owner": "", "lease_until": 0.0, "last_seen": 0.0}
_REFILLED_TABLES: Final = (fit, meta, process)
"""Tables that every start of a bot fills again."""
_ADVISORY_LOCK: Final = 0x636F6D6670
"""Shared by all processes that copy into the same PostgreSQL."""


class DatabaseCopy:
    """One copy; `say` gets a progress report every few seconds."""

    def __init__(self, source: Engine, target: Engine, *, clock: Clock, say: Say) -> None:
        self._source = source
        self._target = target
        self._clock = clock
        self._say = say
        self._id = f"{ROLE}-{uuid.uuid4()}"
        self._reported = clock.monotonic()

    @asynccontextmanager
    async def started(self) -> AsyncGenerator[None]:
        """Start a copy into an empty target; leaving the context normally makes the target usable.

        Raises `StartupError` if the target is not empty, or if a process is using either database.
        """
        await self._refuse_if_used(self._source)
        await self._target.write(lambda conn, _again: self._begin(conn))
        try:
            await self._refuse_same()
            yield
            await self._refuse_if_used(self._source)  # its changes may be missing from the copy
            await self._end()
        finally:
            with suppress(DatabaseUnavailableError):
                await self._target.write(lambda conn, _again: heartbeats.deregister(conn, self._id))

    async def tables(self) -> Mapping[str, int]:
        """Copy all tables; return the rows of each. Raises `StartupError` for a row that the target refuses."""
        return {table.name: await self._table(table) for table in TABLES}

    async def beat(self, what: Message) -> None:
        """Report progress and renew the heartbeat, at most every few seconds."""
        now = self._clock.monotonic()
        if now - self._reported >= PROGRESS_INTERVAL:
            self._reported = now
            self._say(what)
            await self._target.write(lambda conn, _again: self._heartbeat(conn))

    def _begin(self, conn: Connection) -> None:
        advisory_lock(conn, _ADVISORY_LOCK)
        self._refuse_used(conn)
        _clear(conn)
        database_info.begin_copy(conn, self._id)
        self._heartbeat(conn)

    def _heartbeat(self, conn: Connection) -> None:
        heartbeats.heartbeat(conn, self._clock.now(), self._id, ROLE, HEARTBEAT_TTL)

    async def _refuse_if_used(self, engine: Engine) -> None:
        await engine.read(self._refuse_used)

    def _refuse_used(self, conn: Connection) -> None:
        if _is_in_use(conn, self._clock.now(), but=self._id):
            raise StartupError(
                _("A bot or another copy is using one of the two databases. Stop it first. If none is running, "
                  "it crashed and its lock expires soon: try again in a minute.")
            )  # fmt: skip

    async def _refuse_same(self) -> None:
        """Two URLs can name one database: then the mark just written to the target shows up in the source."""
        if await self._source.read(database_info.copy_under_way) == self._id:
            await self._target.write(lambda conn, _again: database_info.end_copy(conn))
            raise StartupError(_("Both URLs point to the same database. Nothing was changed."))

    # ------------------------------------------------------------------ rows

    async def _table(self, table: Table) -> int:
        copied, last = 0, None
        while rows := await self._source.read(lambda conn, last=last: _next(conn, table, last)):
            await self._write(table, rows)
            copied, last = copied + len(rows), rows[-1]
            await self.beat(_("{table}: {count} rows", table=table.name, count=copied))
        count = await self._target.read(lambda conn: _count(conn, table))
        if count != copied:
            raise StartupError(
                _("Copied {copied} rows of {table}, but the new database has {there}. Please try again.",
                  copied=copied, table=table.name, there=count)
            )  # fmt: skip
        return copied

    async def _write(self, table: Table, rows: Sequence[Values]) -> None:
        try:
            await self._target.write(lambda conn, _again: _insert(conn, table, rows))
        except DBAPIError as error:
            first = ", ".join(str(rows[0][column.name]) for column in table.primary_key)
            raise StartupError(
                _("The new database refused a row of {table} (at or after {first}): {reason}.",
                  table=table.name, first=first, reason=str(error.orig).partition("\n")[0].rstrip("."))
            ) from error  # fmt: skip

    async def _end(self) -> None:
        entries = await self._source.read(_read_meta)
        await self._target.write(lambda conn, _again: _finish(conn, entries), durable=True)


# ------------------------------------------------------------------ the target before the copy


def _is_in_use(conn: Connection, now: float, *, but: str = "") -> bool:
    """Whether any process other than `but` uses the database; for SQLite, the lock file was checked before."""
    return conn.dialect.name == POSTGRES and heartbeats.is_in_use(conn, now, but=but)


def _clear(conn: Connection) -> None:
    """Delete what a first start or an interrupted copy left. Raises `StartupError` if there is anything else.

    Must share a transaction with the first writes.
    """
    if database_info.copy_under_way(conn) is None:
        tables = sorted(_non_empty(conn))
        if tables:
            raise StartupError(
                _("The new database is not empty ({tables}). Nothing was changed. Use an empty one.",
                  tables=", ".join(tables))
            )  # fmt: skip
    if conn.dialect.name == POSTGRES:  # deleting a million rows would exceed the statement timeout
        conn.execute(sa.text(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)}"))
        return
    for table in reversed(metadata.sorted_tables):
        conn.execute(sa.delete(table))


def _non_empty(conn: Connection) -> Iterator[str]:
    """Yield the names of tables with data that a user would miss."""
    for table in metadata.sorted_tables:
        if table in _REFILLED_TABLES:
            continue
        rows = sa.select(sa.literal(1)).select_from(table).limit(1)
        if table is server:
            rows = rows.where(server.c.source == server_rows.COMMAND)
        if conn.execute(rows).first():
            yield table.name


# ------------------------------------------------------------------ rows


def _next(conn: Connection, table: Table, last: Values | None) -> list[Values]:
    """Return the rows after `last` by primary key, as many as fit in one transaction."""
    key = list(table.primary_key)
    query = sa.select(table).order_by(*key).limit(_batch_size(conn, table, last) if table in _FILES else MAX_ROWS)
    return [dict(row) for row in conn.execute(_rows_after(query, key, last)).mappings()]


def _batch_size(conn: Connection, table: Table, last: Values | None) -> int:
    """Return how many of the next files to read together."""
    key = list(table.primary_key)
    query = sa.select(sa.func.length(table.c.data)).order_by(*key).limit(MAX_ROWS)
    total = 0
    for number, size in enumerate(conn.scalars(_rows_after(query, key, last))):
        total += size
        if total > MAX_BYTES:
            return max(1, number)
    return MAX_ROWS


def _rows_after(query: sa.Select[Any], key: Sequence[sa.Column[Any]], last: Values | None) -> sa.Select[Any]:
    if last is None:
        return query
    values = [sa.literal(last[column.name], column.type) for column in key]
    return query.where(sa.tuple_(*key) > sa.tuple_(*values))


def _clean_row(table: Table, row: Values) -> Values:
    """Return a row without leases, with texts that any database accepts."""
    clean = {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}
    return {**clean, **_NO_LEASE} if table is server else clean


def _insert(conn: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows; existing ones come from an earlier attempt."""
    conn.execute(insert(conn.dialect.name, table).on_conflict_do_nothing(), [_clean_row(table, row) for row in rows])


def _count(conn: Connection, table: Table) -> int:
    return conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


# ------------------------------------------------------------------ the end


def _read_meta(conn: Connection) -> list[Values]:
    return [dict(row) for row in conn.execute(sa.select(meta).where(meta.c.name != database_info.COPYING)).mappings()]


def _finish(conn: Connection, entries: Sequence[Values]) -> None:
    """Make the target usable: new rows get higher numbers, and bots may start."""
    _advance_sequences(conn)
    if entries:
        _insert(conn, meta, entries)
    database_info.end_copy(conn)


def _advance_sequences(conn: Connection) -> None:
    """Set sequences past the copied rows; SQLite does this by itself."""
    if conn.dialect.name != POSTGRES:
        return
    for table, column in _identity_columns():
        last = conn.scalar(sa.select(sa.func.max(column)))
        if last is not None:
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            conn.execute(sa.select(sa.func.setval(sequence, last)))


def _identity_columns() -> Iterator[tuple[Table, Column[int]]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.identity is not None:
                yield table, column
