"""Seeds, a database on each engine, and a bot that runs."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from secrets import randbelow

import pytest

from bot.sandbox.comfyui import ServerState
from tests.faults.databases import PostgreSQL, postgresql, sqlite_url
from tests.faults.single_process import Installation, installed


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What chance depends on: a new number each time, or the one that was asked for."""
    asked = request.config.getoption("--fault-seed")
    return randbelow(1_000_000) if asked is None else int(asked)


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long run was asked for."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """One real server for all tests of this process."""
    with postgresql() as server:
        yield server


@pytest.fixture
def database(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty database; on SQLite, unless a test asks for "postgresql" as this fixture's parameter."""
    engine = getattr(request, "param", "sqlite")
    if engine == "sqlite":
        return sqlite_url(tmp_path)
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.url()


@pytest.fixture
async def house(tmp_path: Path, database: str, seed: int) -> AsyncGenerator[Installation]:
    """A running bot, and a ComfyUI that draws at once and that it knows."""
    async with installed(tmp_path, database, seed, state=ServerState(seconds_per_step=0.0)) as house:
        await house.start()
        await house.acquainted()
        yield house
