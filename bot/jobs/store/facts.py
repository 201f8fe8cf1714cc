"""Facts about the database itself, in the table `meta`: which installation it is, and whether it is all there."""

import uuid
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.errors import StartupError
from bot.i18n import _
from bot.jobs.store.statements import insert
from bot.jobs.store.tables import meta

INSTALLATION: Final = "installation"
COPYING: Final = "copying"
"""There while a copy into this database has begun and not come to its end; its value says which copy."""


def installation(conn: Connection) -> str:
    """See `FleetRecords.installation`. The first one who asks decides, whoever else asks at the same time."""
    new = {"name": INSTALLATION, "value": str(uuid.uuid4())}
    conn.execute(insert(conn.dialect.name, meta).on_conflict_do_nothing(), new)
    return conn.execute(_value_of(INSTALLATION)).scalar_one()


def copy_under_way(conn: Connection) -> str | None:
    """Return which copy into this database has begun and not ended."""
    return conn.scalar(_value_of(COPYING))


def begin_copy(conn: Connection, copy_id: str) -> None:
    """Say that a copy into this database goes on."""
    conn.execute(sa.insert(meta), {"name": COPYING, "value": copy_id})


def end_copy(conn: Connection) -> None:
    """Say that everything is there."""
    conn.execute(sa.delete(meta).where(meta.c.name == COPYING))


def refuse_unfinished(conn: Connection) -> None:
    """Raise `StartupError` for a database into which not everything was copied."""
    if copy_under_way(conn) is not None:
        raise StartupError(
            _("A copy into this database was begun and not finished, so a part of it is missing. Run "
              "`python -m bot copy` once more, from the database that has everything.")
        )  # fmt: skip


def _value_of(name: str) -> sa.Select[str]:
    return sa.select(meta.c.value).where(meta.c.name == name)
