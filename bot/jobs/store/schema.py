"""The schema of a database: found, judged, and brought up to date in one transaction, or left alone."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.errors import StartupError
from bot.i18n import _
from bot.jobs.store.ruletables import metadata  # with these its tables are complete

VERSION_TABLE: Final = "comfycord_version"
"""Not Alembic's usual name, by which another program's database might look like ours."""
REVISION: Final = "0003"
"""The newest step in `migrations`: what this program works with."""

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_ADVISORY_LOCK: Final = 0x636F6D6679
"""One number for all who migrate the same PostgreSQL."""


def create(conn: Connection) -> None:
    """Make the schema in a database in memory, which needs no history."""
    metadata.create_all(conn)


def is_current(conn: Connection) -> bool:
    """Return whether the schema is the one that this program works with."""
    return _revision(conn) == REVISION


def upgrade(conn: Connection) -> str:
    """Bring the schema up to date and return its revision.

    Raises `StartupError` for a database that is newer than this program, or that something else lives in.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    found = _revision(conn)
    if found == REVISION:
        return found
    if found is None:
        _refuse_foreign(conn)
    elif found not in _known():
        raise StartupError(
            _("The database was made by a newer Comfycord (its schema is {found}, this program knows {own}). "
              "Install that version again, or restore a backup from before.", found=found, own=REVISION)
        )  # fmt: skip
    from alembic import command  # takes long to import, and is needed once in the life of a database
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, REVISION)
    return REVISION


def _revision(conn: Connection) -> str | None:
    if not sa.inspect(conn).has_table(VERSION_TABLE):
        return None
    return conn.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # a name of ours


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {step.revision for step in ScriptDirectory(_MIGRATIONS).walk_revisions()}


def _refuse_foreign(conn: Connection) -> None:
    tables = sorted(sa.inspect(conn).get_table_names())
    if tables:
        raise StartupError(
            _("The database holds tables that are not Comfycord's ({tables}). Nothing was changed. "
              "Name an empty one in DATABASE_URL.", tables=", ".join(tables[:5]))
        )  # fmt: skip
