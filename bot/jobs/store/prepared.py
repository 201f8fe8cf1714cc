"""Statements of every job's life, without what is not needed to repeat them.

SQLAlchemy finds out anew at each execution what a statement is; for a table as wide as ours that takes longer than
SQLite needs to carry it out. Here a statement is compiled once, and its text goes to the driver with the values: to
asyncpg itself where there is no transaction, which SQLAlchemy's cursor would begin.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.util import await_only

Values = dict[str, Any]
Build = Callable[[str, Sequence[str]], ClauseElement]
"""Makes a statement for a dialect and the names of the values that it will get."""

POSTGRES: Final = "postgresql"
_AUTOCOMMIT: Final = "autocommit"
"""How SQLAlchemy's adapter of asyncpg names a connection without transactions."""


class Prepared:
    """A statement, compiled once for each dialect and set of values. Its parameters have plain types, and no lists."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def rows(self, conn: Connection, values: Values) -> list[Values]:
        """Carry it out and return its rows, by column."""
        return self._for(conn, values).rows(conn, values)

    def first(self, conn: Connection, values: Values) -> Values | None:
        """Carry it out and return its first row."""
        found = self.rows(conn, values)
        return found[0] if found else None

    def run(self, conn: Connection, values: Values) -> None:
        """Carry out a statement that has no rows."""
        self.rows(conn, values)

    def _for(self, conn: Connection, values: Values) -> "_Compiled":
        key = (conn.dialect.name, *values)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = _Compiled(conn, self._build(conn.dialect.name, tuple(values)))
        return compiled


class _Compiled:
    """The text of a statement, and which value belongs where."""

    def __init__(self, conn: Connection, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=conn.dialect)
        self._text = str(compiled)
        self._defaults: Values = compiled.params
        self._order: Sequence[str] = compiled.positiontup or ()

    def rows(self, conn: Connection, values: Values) -> list[Values]:
        values = {**self._defaults, **values}
        arguments = tuple([values[name] for name in self._order])
        try:
            if getattr(conn.connection.dbapi_connection, "isolation_level", None) == _AUTOCOMMIT:
                asyncpg: Any = conn.connection.driver_connection
                return [dict(row) for row in await_only(asyncpg.fetch(self._text, *arguments))]
            return _through_cursor(conn, self._text, arguments)
        except Exception as error:
            if conn.dialect.is_disconnect(error, conn.connection.dbapi_connection, None):  # type: ignore[arg-type]
                conn.exec_driver_sql("SELECT 1")  # fails: so SQLAlchemy learns it, and lets go of the whole pool
            raise
        except BaseException:
            conn.invalidate()  # given up in the middle: nobody knows what the connection is about to say
            raise


def _through_cursor(conn: Connection, text: str, arguments: tuple[Any, ...]) -> list[Values]:
    cursor: Any = conn.connection.cursor()
    cursor.execute(text, arguments)
    found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
    names = [column[0] for column in cursor.description] if found else []
    cursor.close()
    return [dict(zip(names, row, strict=True)) for row in found]
