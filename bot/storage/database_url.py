"""Parses `DATABASE_URL`. The URL itself is never shown: it may hold a password."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from bot.errors import StartupError
from bot.i18n import _


def parse(url: str) -> sa.URL:
    """Parse an SQLite or PostgreSQL URL. Raises `StartupError` for anything else."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise _refusal() from None  # the cause would show the URL
    if parsed.drivername == "sqlite" and not (parsed.host or parsed.query):
        return parsed
    if parsed.drivername == "postgresql" and parsed.database:
        return parsed
    raise _refusal()


def is_shared(url: sa.URL) -> bool:
    return url.drivername == "postgresql"


def file_of(url: sa.URL) -> Path | None:
    """Return the file of an SQLite database; None if it is in memory."""
    return None if url.database in (None, "", ":memory:") else Path(url.database).absolute()


def shown(url: sa.URL) -> str:
    """Return host, port and database name, without credentials."""
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def _refusal() -> StartupError:
    return StartupError(
        _("DATABASE_URL is not a valid database URL. Use sqlite:///data/comfycord.db for a file, or "
          "postgresql://user:password@host/name for PostgreSQL.")
    )  # fmt: skip
