"""Opens the database that `DATABASE_URL` names, with its schema up to date, or says why that cannot be.

An SQLite file belongs to one bot: a lock beside it keeps a second one out for as long as the first lives.
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
from bot.i18n import _
from bot.jobs.records import StoreDownError
from bot.jobs.store import address, facts, schema
from bot.jobs.store.engine import Engine
from bot.jobs.store.fleet import SqlFleet
from bot.jobs.store.policies import SqlPolicies
from bot.jobs.store.postgres import PostgresEngine
from bot.jobs.store.resultshelf import SqlShelf
from bot.jobs.store.sqlite import SqliteEngine, Synchronous
from bot.jobs.store.sqlstore import SqlStore
from bot.jobs.store.workflowrules import SqlWorkflowRules


@dataclass(frozen=True, slots=True)
class Database:
    """An open database, by what is kept in it. All of it shares one engine, and is closed together."""

    engine: Engine
    jobs: SqlStore
    fleet: SqlFleet
    policies: SqlPolicies
    workflow_rules: SqlWorkflowRules
    results: SqlShelf
    is_shared: bool
    """Whether other processes, on other machines too, can work with it: it is PostgreSQL."""

    @property
    def alone(self) -> bool:
        """Whether no other bot can use this database while we do."""
        return self.jobs.alone

    async def close(self) -> None:
        """Let go of it; transactions that have begun are carried out."""
        await self.jobs.close()


async def open_database(
    url: str,
    *,
    synchronous: Synchronous = "full",
    exclusive: bool = True,
    unfinished: bool = False,
    clock: Callable[[], float] = time.time,
) -> Database:
    """Open a database. `exclusive=False` is for tools that look in beside a running bot.

    Raises `StartupError` when another bot has the file, or when the database cannot be used; also when a copy into it
    has not come to its end, unless whoever opens it is about to see to that (`unfinished`).
    """
    parsed = address.parse(url)
    prepare = _prepare_for_copy if unfinished else _prepare
    if address.is_shared(parsed):
        return _database(await _postgres(parsed, prepare), clock, is_shared=True)
    path = address.file_of(parsed)
    if path is None:
        return _database(await _memory(), clock, alone=True)
    if not exclusive:
        return _database(await _beside(path, synchronous), clock)
    lock = await _take(path)
    try:
        engine = await _file(path, synchronous, prepare)
    except BaseException:
        lock.release()
        raise
    return _database(engine, clock, alone=True, on_close=lock.release)


def _database(
    engine: Engine,
    clock: Callable[[], float],
    *,
    is_shared: bool = False,
    alone: bool = False,
    on_close: Callable[[], None] | None = None,
) -> Database:
    return Database(
        engine=engine,
        jobs=SqlStore(engine, clock, alone=alone, on_close=on_close),
        fleet=SqlFleet(engine, clock),
        policies=SqlPolicies(engine),
        workflow_rules=SqlWorkflowRules(engine),
        results=SqlShelf(engine),
        is_shared=is_shared,
    )


async def open_store(
    url: str,
    *,
    synchronous: Synchronous = "full",
    exclusive: bool = True,
    clock: Callable[[], float] = time.time,
) -> SqlStore:
    """Open a database for its jobs alone. See `open_database`; closing the store closes it."""
    return (await open_database(url, synchronous=synchronous, exclusive=exclusive, clock=clock)).jobs


async def migrate(url: str) -> str:
    """Bring a database up to date and return the revision of its schema. Raises `StartupError` as `open_store`."""
    await (await open_store(url)).close()
    return schema.REVISION


Prepare = Callable[[Connection], None]


def _prepare(conn: Connection) -> None:
    """Bring a database up to date, unless it is a part of one."""
    schema.upgrade(conn)
    facts.refuse_unfinished(conn)


def _prepare_for_copy(conn: Connection) -> None:
    schema.upgrade(conn)


def _look_in(conn: Connection) -> bool:
    """Return whether a database can be used as it is."""
    if not schema.is_current(conn):
        return False
    facts.refuse_unfinished(conn)
    return True


async def _memory() -> Engine:
    engine = SqliteEngine(None)
    await engine.write(lambda conn, _again: schema.create(conn))
    return engine


async def _postgres(url: sa.URL, prepare: Prepare) -> Engine:
    engine = PostgresEngine(url)
    async with _or_closed(engine, address.shown(url)):
        await engine.write(lambda conn, _again: prepare(conn))
    return engine


async def _file(path: Path, synchronous: Synchronous, prepare: Prepare) -> Engine:
    engine = SqliteEngine(path, synchronous)
    async with _or_closed(engine, str(path)):
        await engine.write(lambda conn, _again: prepare(conn))
    return engine


async def _beside(path: Path, synchronous: Synchronous) -> Engine:
    """Open a file that a bot may be using; only when none does, its schema may be changed."""
    if await asyncio.to_thread(path.exists):
        engine = SqliteEngine(path, synchronous)
        async with _or_closed(engine, str(path)):
            if await engine.read(_look_in):
                return engine
        await engine.close()
    lock = await _take(path)
    try:
        return await _file(path, synchronous, _prepare)
    finally:
        lock.release()


@asynccontextmanager
async def _or_closed(engine: Engine, name: str) -> AsyncGenerator[None]:
    """Close the engine when the first transaction fails, and say so in a sentence for the owner."""
    try:
        yield
    except (StoreDownError, DBAPIError) as error:
        await engine.close()
        raise StartupError(
            _(
                "The database {name} cannot be used ({reason}). Start it, or check DATABASE_URL.",
                name=name,
                reason=_reason(error),
            )
        ) from error
    except BaseException:
        await engine.close()
        raise


def _reason(error: BaseException) -> str:
    """Return the database's own words: the innermost error has them."""
    while error.__cause__ is not None:
        error = error.__cause__
    cause = getattr(error, "orig", None) or error
    return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__


async def _take(path: Path) -> FileLock:
    lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(lock.acquire)
    except Timeout as error:
        raise StartupError(
            _("Another bot is running on {file}. Stop that one first, or give this one its own DATABASE_URL.",
              file=str(path))
        ) from error  # fmt: skip
    except OSError as error:
        raise StartupError(
            _("The folder {folder} cannot be written to: {reason}. Check its owner, or name another in DATABASE_URL.",
              folder=str(path.parent), reason=error.strerror or str(error))
        ) from error  # fmt: skip
    return lock
