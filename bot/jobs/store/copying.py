"""Copies all rows of one database into another: from SQLite to PostgreSQL, back, or from file to file.

While it goes on, the target says so (`facts.COPYING`), and no bot starts on it; a copy that broke off is begun anew.
Processes and leases stay behind: nobody works with the target yet. Results in a folder are for others to see to.
"""

import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.errors import StartupError
from bot.i18n import Message, _
from bot.jobs.records import StoreDownError
from bot.jobs.store import emptiness, facts, processes
from bot.jobs.store.engine import Engine
from bot.jobs.store.ruletables import metadata
from bot.jobs.store.statements import insert
from bot.jobs.store.tables import input_file, meta, process, result_file, server
from bot.jobs.store.texts import storable

TABLES: Final = tuple(table for table in metadata.sorted_tables if table not in (meta, process))
"""What is copied as it stands, in an order in which no row comes before one that it belongs to."""
ROWS: Final = 200
"""Rows in one transaction."""
BYTES: Final = 8 * 1024 * 1024
"""Bytes of files in one transaction, or one file."""
TOLD_EVERY: Final = 3.0
"""Seconds between two words about how far it is."""
ALIVE: Final = 60.0
"""Seconds for which a copy counts as going on after it was last heard of."""
ROLE: Final = "copy"

_FILES: Final = (input_file, result_file)
_NO_LEASE: Final[Mapping[str, object]] = {"owner": "", "lease_until": 0.0, "last_seen": 0.0}

Values = dict[str, Any]
Say = Callable[[Message], None]


class Copy:
    """One copy. `say` gets a word about how far it is, now and then."""

    def __init__(self, source: Engine, target: Engine, *, clock: Clock, say: Say) -> None:
        self._source = source
        self._target = target
        self._clock = clock
        self._say = say
        self._id = f"{ROLE}-{uuid.uuid4()}"
        self._told = clock.monotonic()

    @asynccontextmanager
    async def begun(self) -> AsyncGenerator[None]:
        """Begin with an empty target. What is done in this context belongs to the copy; its end makes it valid.

        Raises `StartupError` when the target is not empty, or when somebody works with either of them.
        """
        await self._refuse_if_used(self._source)
        await self._target.write(lambda conn, _again: self._begin(conn))
        try:
            await self._refuse_same()
            yield
            await self._refuse_if_used(self._source)  # what it did meanwhile may be missing
            await self._end()
        finally:
            with suppress(StoreDownError):
                await self._target.write(lambda conn, _again: processes.vanish(conn, self._id))

    async def tables(self) -> Mapping[str, int]:
        """Copy all tables; return how many rows each has. Raises `StartupError` for a row that the target refuses."""
        return {table.name: await self._table(table) for table in TABLES}

    async def beat(self, what: Message) -> None:
        """Say how far the copy is, and that it is alive, if the last time is some seconds ago."""
        now = self._clock.monotonic()
        if now - self._told >= TOLD_EVERY:
            self._told = now
            self._say(what)
            await self._target.write(lambda conn, _again: self._appear(conn))

    def _begin(self, conn: Connection) -> None:
        emptiness.lock(conn)
        self._refuse_used(conn)
        emptiness.clear(conn)
        facts.begin_copy(conn, self._id)
        self._appear(conn)

    def _appear(self, conn: Connection) -> None:
        processes.appear(conn, self._id, ROLE, ALIVE, self._clock.now())

    async def _refuse_if_used(self, engine: Engine) -> None:
        await engine.read(self._refuse_used)

    def _refuse_used(self, conn: Connection) -> None:
        if emptiness.is_in_use(conn, self._clock.now(), but=self._id):
            raise StartupError(
                _("A bot, or another copy, works with one of the two databases. Stop it first. If none is running, "
                  "it ended without a word: try again in a minute.")
            )  # fmt: skip

    async def _refuse_same(self) -> None:
        """The same database can be named by two addresses: what was just written into one is not in another."""
        if await self._source.read(facts.copy_under_way) == self._id:
            await self._target.write(lambda conn, _again: facts.end_copy(conn))
            raise StartupError(_("Both addresses name the same database. Nothing was changed."))

    # ------------------------------------------------------------------ rows

    async def _table(self, table: Table) -> int:
        copied, last = 0, None
        while rows := await self._source.read(lambda conn, last=last: _next(conn, table, last)):
            await self._write(table, rows)
            copied, last = copied + len(rows), rows[-1]
            await self.beat(_("{table}: {count} rows", table=table.name, count=copied))
        there = await self._target.read(lambda conn: _count(conn, table))
        if there != copied:
            raise StartupError(
                _("Of {copied} rows of {table}, {there} are in the new database. Please try again.",
                  copied=copied, table=table.name, there=there)
            )  # fmt: skip
        return copied

    async def _write(self, table: Table, rows: Sequence[Values]) -> None:
        try:
            await self._target.write(lambda conn, _again: _insert(conn, table, rows))
        except DBAPIError as error:
            first = ", ".join(str(rows[0][column.name]) for column in table.primary_key)
            raise StartupError(
                _("The new database does not take a row of {table} (at or after {first}): {reason}.",
                  table=table.name, first=first, reason=str(error.orig).partition("\n")[0].rstrip("."))
            ) from error  # fmt: skip

    async def _end(self) -> None:
        kept = await self._source.read(_facts)
        await self._target.write(lambda conn, _again: _finish(conn, kept), durable=True)


# ------------------------------------------------------------------ transactions


def _next(conn: Connection, table: Table, last: Values | None) -> list[Values]:
    """Return the rows that come after one, by the primary key: as many as one transaction should hold."""
    key = list(table.primary_key)
    query = sa.select(table).order_by(*key).limit(_how_many(conn, table, last) if table in _FILES else ROWS)
    return [dict(row) for row in conn.execute(_after(query, key, last)).mappings()]


def _how_many(conn: Connection, table: Table, last: Values | None) -> int:
    """Return how many of the next files are to be read together."""
    key = list(table.primary_key)
    query = sa.select(sa.func.length(table.c.data)).order_by(*key).limit(ROWS)
    total = 0
    for number, size in enumerate(conn.scalars(_after(query, key, last))):
        total += size
        if total > BYTES:
            return max(1, number)
    return ROWS


def _after(query: sa.Select[Any], key: Sequence[sa.Column[Any]], last: Values | None) -> sa.Select[Any]:
    if last is None:
        return query
    values = [sa.literal(last[column.name], column.type) for column in key]
    return query.where(sa.tuple_(*key) > sa.tuple_(*values))


def _clean(table: Table, row: Values) -> Values:
    """Return a row without leases, and with texts that any database takes."""
    clean = {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}
    return {**clean, **_NO_LEASE} if table is server else clean


def _insert(conn: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows; those that are there were inserted by an earlier try."""
    conn.execute(insert(conn.dialect.name, table).on_conflict_do_nothing(), [_clean(table, row) for row in rows])


def _count(conn: Connection, table: Table) -> int:
    return conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def _facts(conn: Connection) -> list[Values]:
    return [dict(row) for row in conn.execute(sa.select(meta).where(meta.c.name != facts.COPYING)).mappings()]


def _finish(conn: Connection, kept: Sequence[Values]) -> None:
    """Make the target a database like any other: new rows get higher numbers, and bots may start."""
    emptiness.number_on(conn)
    if kept:
        _insert(conn, meta, kept)
    facts.end_copy(conn)
