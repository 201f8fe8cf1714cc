"""A shared database, as processes with different roles have one."""

from collections.abc import AsyncGenerator

import pytest

from tests.storage.engines import Database, empty


@pytest.fixture
async def database(postgres_url: str) -> AsyncGenerator[Database]:
    """An empty PostgreSQL database."""
    database = Database(postgres_url)
    await empty(await database.open())
    yield database
    await database.close()
