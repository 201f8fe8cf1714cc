"""Opening: the address, the lock, the schema, and a sentence for each way in which it can go wrong."""

import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.errors import StartupError
from bot.storage.database import migrate, open_store
from bot.storage.engine.sqlite import check_version
from bot.storage.schema import upgrade
from bot.storage.schema.tables import metadata
from tests.databases import file_store, memory_store
from tests.storage.engines import Database, execute
from tests.storage.samples import in_line, job

PASSWORD = "hunter2"


@pytest.fixture(params=["sqlite", "postgresql"])
async def blank(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database in which there is nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'jobs.db'}"
    url = sa.make_url(request.getfixturevalue("postgres_url"))
    name = f"blank_{uuid.uuid4().hex}"
    await postgres(url, f"CREATE DATABASE {name}")
    return url.set(database=name).render_as_string(hide_password=False)


async def postgres(url: sa.URL, *statements: str) -> None:
    """Run statements of which PostgreSQL wants no transaction."""
    import asyncpg

    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def prepare(url: str, *statements: str) -> None:
    """Run statements in a database that no store has opened."""
    parsed = sa.make_url(url)
    if parsed.drivername == "postgresql":
        return await postgres(parsed, *statements)
    path = Path(str(parsed.database))
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return None


# ------------------------------------------------------------------ the schema


def described(conn: sa.Connection, _again: bool = False) -> list[tuple[Any, ...]]:
    """Return what the engine itself says about its tables, columns, defaults and indexes.

    Not in which order the columns are: what a migration adds comes last.
    """
    if conn.dialect.name == "sqlite":
        of = "FROM sqlite_master AS t, pragma_{}(t.name) AS c WHERE t.type = 'table' ORDER BY 1, 2, 3, 4"
        queries = [
            "SELECT type, name, sql FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite%' ORDER BY 2",
            f"SELECT t.name, c.name, c.type, c.[notnull], c.dflt_value, c.pk {of.format('table_info')}",
            f"SELECT t.name, c.[from], c.[table], c.[to] {of.format('foreign_key_list')}",
            f"SELECT t.name, c.[unique], c.origin, c.partial {of.format('index_list')}",
        ]
    else:
        columns = "table_name, column_name, column_default, is_nullable, data_type, identity_generation"
        queries = [
            f"SELECT {columns} FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",  # noqa: S608
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' ORDER BY 1",
        ]
    rows = [tuple(row) for query in queries for row in conn.exec_driver_sql(query)]
    return [tuple(" ".join(str(each).split()) for each in row) for row in rows if upgrade.VERSION_TABLE not in str(row)]


async def test_the_migrations_make_exactly_the_tables(blank: str) -> None:
    assert await migrate(blank) == upgrade.REVISION
    store = await open_store(blank)

    def work(conn: sa.Connection, _again: bool) -> None:
        context = MigrationContext.configure(conn, opts={"version_table": upgrade.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        migrated = described(conn)
        metadata.drop_all(conn)
        metadata.create_all(conn)
        assert described(conn) == migrated

    await store.engine.write(work)
    await store.close()


def test_the_newest_migration_is_the_one_that_the_program_expects() -> None:
    scripts = ScriptDirectory(Path(upgrade.__file__).with_name("migrations"))
    assert scripts.get_current_head() == upgrade.REVISION


async def test_opening_again_keeps_everything(blank: str) -> None:
    for number in (1, 2, 3):
        store = await open_store(blank)
        await store.add(job(number))
        assert len(await in_line(store)) == number
        await store.close()


async def test_a_newer_database_is_left_alone(blank: str) -> None:
    await migrate(blank)
    await prepare(blank, "UPDATE comfycord_version SET version_num = '9999'")
    for _turn in range(2):
        with pytest.raises(StartupError, match="newer version of Comfycord"):
            await open_store(blank)
    await prepare(blank, f"UPDATE comfycord_version SET version_num = '{upgrade.REVISION}'")  # noqa: S608
    await (await open_store(blank)).close()


async def test_a_database_of_something_else_is_left_alone(blank: str) -> None:
    await prepare(blank, "CREATE TABLE job (id INTEGER)")
    with pytest.raises(StartupError, match=r"tables of another program \(job\)"):
        await migrate(blank)
    await prepare(blank, "DROP TABLE job")
    await migrate(blank)


async def test_a_schema_that_was_half_made_is_not_kept(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "REVISION", "9998")
    with pytest.raises(Exception, match="9998"):
        await open_store(blank)
    monkeypatch.undo()
    await migrate(blank)


async def test_several_who_open_a_new_database_do_not_collide(postgres_url: str) -> None:
    url = sa.make_url(postgres_url)
    name = f"blank_{uuid.uuid4().hex}"
    await postgres(url, f"CREATE DATABASE {name}")
    call = f"migrate({url.set(database=name).render_as_string(hide_password=False)!r})"
    code = f"import asyncio; from bot.storage.database import migrate; asyncio.run({call})"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _turn in range(3)]  # noqa: ASYNC220
    assert [process.wait(20) for process in started] == [0, 0, 0]


# ------------------------------------------------------------------ the lock


async def test_a_second_bot_on_one_file_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    first = await open_store(url)
    assert first.exclusive
    for attempt in (open_store(url), migrate(url)):
        with pytest.raises(StartupError, match=r"Another bot process is already using .*jobs\.db"):
            await attempt
    beside = await open_store(url, exclusive=False)
    assert not beside.exclusive
    await beside.add(job(1))
    assert await in_line(first) == ["job1"]
    await beside.close()
    await first.close()
    await (await open_store(url)).close()


async def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    code = f"""
import asyncio, os
from bot.storage.database import open_store
async def main():
    await open_store({url!r})
    os._exit(9)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9  # noqa: ASYNC221
    await (await open_store(url)).close()


async def test_a_tool_may_make_the_file_when_no_bot_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'jobs.db'}"
    tool = await open_store(url, exclusive=False)
    assert await in_line(tool) == []
    bot = await open_store(url)
    assert bot.exclusive
    await tool.close()
    await bot.close()


async def test_a_failed_start_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(b"this is no database, but long enough to be looked at" * 20)
    for _turn in range(2):
        with pytest.raises(
            StartupError, match=r"Can't use the database .*jobs\.db: file is not a database\. .*restore a backup"
        ):
            await open_store(f"sqlite:///{path}")


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match=r"Can't write to .*file: "):
        await open_store(f"sqlite:///{tmp_path / 'file' / 'jobs.db'}")


# ------------------------------------------------------------------ addresses and engines


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jobs.db",
        "mysql://ann:hunter2@localhost/jobs",
        "sqlite+aiosqlite:///jobs.db",
        "postgresql+psycopg://ann:hunter2@localhost/jobs",
        "postgresql://ann:hunter2@localhost:port/jobs",
        "postgresql://ann:hunter2@localhost",
        "sqlite://host/jobs.db",
        "sqlite:///jobs.db?mode=ro",
    ],
)
async def test_other_addresses_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(StartupError) as caught:
        await open_store(url)
    assert "DATABASE_URL" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_postgres_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.storage.engine.base.RETRY_DELAYS", (0.01,))
    with pytest.raises(StartupError) as caught:
        await open_store(f"postgresql://ann:{PASSWORD}@127.0.0.1:1/jobs")
    assert "Can't use the database 127.0.0.1:1/jobs: " in str(caught.value)
    assert PASSWORD not in str(caught.value)


async def test_without_asyncpg_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StartupError, match=r"pip install 'comfycord\[postgres\]'"):
        await open_store("postgresql://ann@localhost/jobs")


async def test_a_pooler_may_stand_in_between(postgres_url: str) -> None:
    separator = "&" if "?" in postgres_url else "?"
    database = Database(f"{postgres_url}{separator}statement_cache_size=0")
    store = await database.open()
    assert await execute(store, "SELECT count(*) AS prepared FROM pg_prepared_statements") == [{"prepared": 0}]
    await database.close()


async def test_sessions_are_set_up(postgres_url: str) -> None:
    database = Database(postgres_url)
    store = await database.open()
    assert await execute(store, "SHOW plan_cache_mode") == [{"plan_cache_mode": "force_generic_plan"}]
    await database.close()


@pytest.mark.parametrize(("durable", "waits"), [(True, "on"), (False, "off")])
async def test_only_what_is_promised_waits_for_the_disk(postgres_url: str, durable: bool, waits: str) -> None:
    database = Database(postgres_url)
    store = await database.open()
    asked = await store.engine.write(
        lambda conn, _again: conn.exec_driver_sql("SHOW synchronous_commit").scalar(), single=True, durable=durable
    )
    assert asked == waits
    await database.close()


async def test_sqlite_is_set_up(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'jobs.db'}")
    assert await execute(store, "PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    assert await execute(store, "PRAGMA foreign_keys") == [{"foreign_keys": 1}]
    await store.close()


def test_an_old_sqlite_is_refused() -> None:
    check_version((3, 35, 0))
    with pytest.raises(StartupError, match=r"SQLite 3\.34\.1 is too old"):
        check_version((3, 34, 1))


async def test_stores_for_other_tests(tmp_path: Path) -> None:
    async with memory_store() as store:
        await store.add(job(1))
        assert await in_line(store) == ["job1"]
    for number in (1, 2):
        async with file_store(tmp_path / "jobs.db") as store:
            await store.add(job(number))
            assert len(await in_line(store)) == number
