"""Fixtures of the store's tests: both engines, always."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.storage.jobs.repository import SqlJobRepository
from tests.storage.engines import Database, empty


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Database]:
    """An empty database."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
        await database.open()
    else:
        database = Database(request.getfixturevalue("postgres_url"))
        await empty(await database.open())
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> SqlJobRepository:
    """A store on an empty database."""
    return database.stores[0]
