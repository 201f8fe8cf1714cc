"""Opens the database of `DATABASE_URL` and migrates it, or explains why that fails.

An SQLite file belongs to one bot: a lock file next to it keeps a second one out as long as the first one runs.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.errors import StartupError
from bot.i18n import Message, _
from bot.jobs.repository import DatabaseUnavailableError
from bot.storage import database_url
from bot.storage.engine.base import Engine
from bot.storage.engine.postgres import PostgresEngine
from bot.storage.engine.sqlite import SqliteEngine, Synchronous
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.policies import SqlPolicyRepository
from bot.storage.result_files import SqlResultStore
from bot.storage.schema import database_info, upgrade
from bot.storage.servers.repository import SqlServerRegistry
from bot.storage.workflow_rules import SqlWorkflowRules


@dataclass(frozen=True, slots=True)
class Database:
    """The repositories of an open database. They share one engine and are closed together."""

    engine: Engine
    jobs: SqlJobRepository
    fleet: SqlServerRegistry
    policies: SqlPolicyRepository
    workflow_rules: SqlWorkflowRules
    results: SqlResultStore
    is_shared: bool
    """Whether processes on several machines can use it: it is PostgreSQL."""

    @property
    def exclusive(self) -> bool:
        """Whether no other bot can use this database at the same time."""
        return self.jobs.exclusive

    async def close(self) -> None:
        await self.jobs.close()


async def open_database(
    url: str,
    *,
    synchronous: Synchronous = "full",
    exclusive: bool = True,
    unfinished: bool = False,
    clock: Callable[[], float] = time.time,
) -> Database:
    """Open a database. `exclusive=False` is for tools that run beside the bot.

    Raises `StartupError` if another bot has the file, if the database can't be used, or if a copy into it was
    interrupted; `unfinished=True` allows the latter, for the copy itself.
    """
    parsed = database_url.parse(url)
    prepare = _prepare_for_copy if unfinished else _prepare
    if database_url.is_shared(parsed):
        return _database(await _postgres(parsed, prepare), clock, is_shared=True)
    path = database_url.file_of(parsed)
    if path is None:
        return _database(await _memory(), clock, exclusive=True)
    if not exclusive:
        return _database(await _beside(path, synchronous), clock)
    lock = await _take(path)
    try:
        engine = await _file(path, synchronous, prepare)
    except BaseException:
        lock.release()
        raise
    return _database(engine, clock, exclusive=True, on_close=lock.release)


def _database(
    engine: Engine,
    clock: Callable[[], float],
    *,
    is_shared: bool = False,
    exclusive: bool = False,
    on_close: Callable[[], None] | None = None,
) -> Database:
    return Database(
        engine=engine,
        jobs=SqlJobRepository(engine, clock, exclusive=exclusive, on_close=on_close),
        fleet=SqlServerRegistry(engine, clock),
        policies=SqlPolicyRepository(engine),
        workflow_rules=SqlWorkflowRules(engine),
        results=SqlResultStore(engine),
        is_shared=is_shared,
    )


async def open_store(
    url: str,
    *,
    synchronous: Synchronous = "full",
    exclusive: bool = True,
    clock: Callable[[], float] = time.time,
) -> SqlJobRepository:
    """Like `open_database`, but only for the jobs; closing the store closes the database."""
    return (await open_database(url, synchronous=synchronous, exclusive=exclusive, clock=clock)).jobs


async def migrate(url: str) -> str:
    """Migrate a database and return its schema revision. Raises `StartupError` like `open_database`."""
    await (await open_store(url)).close()
    return upgrade.REVISION


Prepare = Callable[[Connection], None]

_CHECK_SERVER = _("Is PostgreSQL running, and is DATABASE_URL right?")
_CHECK_FILE = _(
    "Check DATABASE_URL, the file's owner and the free disk space. If the file is damaged, move it away or restore a "
    "backup."
)


def _prepare(conn: Connection) -> None:
    """Migrate a database, unless it is an interrupted copy."""
    upgrade.upgrade(conn)
    database_info.refuse_unfinished(conn)


def _prepare_for_copy(conn: Connection) -> None:
    upgrade.upgrade(conn)


def _read_state(conn: Connection) -> bool:
    if not upgrade.is_current(conn):
        return False
    database_info.refuse_unfinished(conn)
    return True


async def _memory() -> Engine:
    engine = SqliteEngine(None)
    await engine.write(lambda conn, _again: upgrade.create(conn))
    return engine


async def _postgres(url: sa.URL, prepare: Prepare) -> Engine:
    engine = PostgresEngine(url)
    async with _or_closed(engine, database_url.shown(url), _CHECK_SERVER):
        await engine.write(lambda conn, _again: prepare(conn))
    return engine


async def _file(path: Path, synchronous: Synchronous, prepare: Prepare) -> Engine:
    engine = SqliteEngine(path, synchronous)
    async with _or_closed(engine, str(path), _CHECK_FILE):
        await engine.write(lambda conn, _again: prepare(conn))
    return engine


async def _beside(path: Path, synchronous: Synchronous) -> Engine:
    """Open a file that a bot may be using; migrate it only if none does."""
    if await asyncio.to_thread(path.exists):
        engine = SqliteEngine(path, synchronous)
        async with _or_closed(engine, str(path), _CHECK_FILE):
            if await engine.read(_read_state):
                return engine
        await engine.close()
    lock = await _take(path)
    try:
        return await _file(path, synchronous, _prepare)
    finally:
        lock.release()


@asynccontextmanager
async def _or_closed(engine: Engine, name: str, cure: Message) -> AsyncGenerator[None]:
    """Close the engine if the first transaction fails, and raise an error for the owner; `cure` says what to do."""
    try:
        yield
    except (DatabaseUnavailableError, DBAPIError) as error:
        await engine.close()
        raise StartupError(
            _("Can't use the database {name}: {reason}. {cure}", name=name, reason=_reason(error), cure=cure)
        ) from error
    except BaseException:
        await engine.close()
        raise


def _reason(error: BaseException) -> str:
    """Return the database's own message, from the innermost error."""
    while error.__cause__ is not None:
        error = error.__cause__
    cause = getattr(error, "orig", None) or error
    return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__


async def _take(path: Path) -> FileLock:
    lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        lock.acquire()  # at once; in a thread, it would be taken by nobody when the start is cut short
    except Timeout as error:
        raise StartupError(
            _("Another bot process is already using {file}. Stop it first, or give this one its own DATABASE_URL.",
              file=str(path))
        ) from error  # fmt: skip
    except OSError as error:
        raise StartupError(
            _("Can't write to {folder}: {reason}. Check the folder's owner, or choose another one in DATABASE_URL.",
              folder=str(path.parent), reason=error.strerror or str(error))
        ) from error  # fmt: skip
    return lock
