"""The table `meta`: the id of the installation, and whether a copy into this database is unfinished."""

import uuid
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.errors import StartupError
from bot.i18n import _
from bot.storage.engine.dialect import insert
from bot.storage.schema.tables import meta

DATABASE_ID: Final = "installation"
COPYING: Final = "copying"
"""Present while a copy into this database is unfinished; the value is the id of the copy."""


def database_id(conn: Connection) -> str:
    """Return the installation's id. The first caller creates it; concurrent callers get the same one."""
    new = {"name": DATABASE_ID, "value": str(uuid.uuid4())}
    conn.execute(insert(conn.dialect.name, meta).on_conflict_do_nothing(), new)
    return conn.execute(_value_of(DATABASE_ID)).scalar_one()


def copy_under_way(conn: Connection) -> str | None:
    """Return the id of an unfinished copy into this database."""
    return conn.scalar(_value_of(COPYING))


def begin_copy(conn: Connection, copy_id: str) -> None:
    conn.execute(sa.insert(meta), {"name": COPYING, "value": copy_id})


def end_copy(conn: Connection) -> None:
    conn.execute(sa.delete(meta).where(meta.c.name == COPYING))


def refuse_unfinished(conn: Connection) -> None:
    if copy_under_way(conn) is not None:
        raise StartupError(
            _("A copy into this database was interrupted, so part of its data is missing. Run `python -m bot copy` "
              "again from the complete database.")
        )  # fmt: skip


def _value_of(name: str) -> sa.Select[str]:
    return sa.select(meta.c.value).where(meta.c.name == name)
