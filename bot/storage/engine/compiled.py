"""Compiled statements for frequent queries, which bypass most of SQLAlchemy.

SQLAlchemy processes a statement again at each execution; with our wide job table that takes longer than SQLite needs to
run it. Here a statement is compiled once, and its text goes straight to the driver; without a transaction, even to
asyncpg itself, because SQLAlchemy's cursor would begin one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.util import await_only

Values = dict[str, Any]
Build = Callable[[str, Sequence[str]], ClauseElement]
"""Builds a statement for a dialect and the names of its parameters."""

_AUTOCOMMIT: Final = "autocommit"
"""The isolation level of connections without transactions in SQLAlchemy's asyncpg adapter."""


class CompiledStatement:
    """A statement, compiled once per dialect and set of parameters. Parameters have plain types, no lists."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def rows(self, conn: Connection, values: Values) -> list[Values]:
        """Return the rows as dictionaries."""
        return self._for(conn, values).rows(conn, values)

    def first(self, conn: Connection, values: Values) -> Values | None:
        found = self.rows(conn, values)
        return found[0] if found else None

    def run(self, conn: Connection, values: Values) -> None:
        self.rows(conn, values)

    def _for(self, conn: Connection, values: Values) -> "_Compiled":
        key = (conn.dialect.name, *values)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = _Compiled(conn, self._build(conn.dialect.name, tuple(values)))
        return compiled


class _Compiled:
    """The text of a statement and the order of its parameters."""

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
                conn.exec_driver_sql("SELECT 1")  # fails, which makes SQLAlchemy discard the whole pool
            raise
        except BaseException:
            conn.invalidate()  # interrupted midway: the connection is in an unknown state
            raise


def _through_cursor(conn: Connection, text: str, arguments: tuple[Any, ...]) -> list[Values]:
    cursor: Any = conn.connection.cursor()
    cursor.execute(text, arguments)
    found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
    names = [column[0] for column in cursor.description] if found else []
    cursor.close()
    return [dict(zip(names, row, strict=True)) for row in found]
