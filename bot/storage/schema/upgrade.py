"""Checks the schema of a database and migrates it in one transaction, or refuses it unchanged."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.errors import StartupError
from bot.i18n import _
from bot.storage.engine.dialect import advisory_lock
from bot.storage.schema.tables import metadata

VERSION_TABLE: Final = "comfycord_version"
"""Not Alembic's default name, by which another program's database might look like ours."""
REVISION: Final = "0003"
"""The newest revision in `migrations`, which this program needs."""

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_ADVISORY_LOCK: Final = 0x636F6D6679
"""Shared by all processes that migrate the same PostgreSQL."""


def create(conn: Connection) -> None:
    """Create the schema in an in-memory database, which needs no migrations."""
    metadata.create_all(conn)


def is_current(conn: Connection) -> bool:
    return _revision(conn) == REVISION


def upgrade(conn: Connection) -> str:
    """Migrate the schema and return its revision.

    Raises `StartupError` if the database is newer than this program or belongs to another one.
    """
    advisory_lock(conn, _ADVISORY_LOCK)
    found = _revision(conn)
    if found == REVISION:
        return found
    if found is None:
        _refuse_foreign(conn)
    elif found not in _known():
        raise StartupError(
            _("The database belongs to a newer version of Comfycord (schema {found}; this version supports {own}). "
              "Install the newer version again, or restore an older backup.", found=found, own=REVISION)
        )  # fmt: skip
    from alembic import command  # slow to import, and rarely needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, REVISION)
    return REVISION


def _revision(conn: Connection) -> str | None:
    if not sa.inspect(conn).has_table(VERSION_TABLE):
        return None
    return conn.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # a constant


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {step.revision for step in ScriptDirectory(_MIGRATIONS).walk_revisions()}


def _refuse_foreign(conn: Connection) -> None:
    tables = sorted(sa.inspect(conn).get_table_names())
    if tables:
        raise StartupError(
            _("The database contains tables of another program ({tables}). Nothing was changed. "
              "Set DATABASE_URL to an empty database.", tables=", ".join(tables[:5]))
        )  # fmt: skip
