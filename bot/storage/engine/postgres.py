"""PostgreSQL, for bots on several machines. Needs asyncpg (the extra `postgres`)."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, ResourceClosedError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from bot.errors import StartupError
from bot.i18n import _
from bot.storage.engine.base import RetryingTasks

T = TypeVar("T")

CONNECT_TIMEOUT: Final = 4.0
"""Seconds to connect, and to wait for a free connection."""
STATEMENT_TIMEOUT: Final = 6.0
"""Seconds for one statement."""
CONNECTIONS: Final = 5
NON_DURABLE_CONNECTIONS: Final = 3
"""Connections for changes that a power cut of the database's machine may undo."""
SETTINGS: Final = "server_settings"
NO_CACHE: Final = "statement_cache_size"
"""In the URL, `?statement_cache_size=0` says that there is a pooler such as PgBouncer in between."""

_TRANSIENT: Final = (
    "08",  # connection lost or refused
    "25006",  # read-only: it became a replica
    "28",  # login refused, e.g. while a password is being changed
    "3D",  # no such database, yet
    "40",  # serialization failure, deadlock
    "53",  # out of connections, memory or disk
    "55P03",  # lock timeout
    "57",  # shut down, starting up, a statement cancelled
)
"""SQLSTATEs, or classes of them, that are worth a retry."""


class PostgresEngine:
    """An `Engine` with its connection pools."""

    def __init__(self, url: sa.URL) -> None:
        arguments = _arguments(url)
        self._engine = _engine(arguments, CONNECTIONS)
        self._statements = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._non_durable_pool, self._non_durable = None, self._statements
        if session := arguments.get(SETTINGS):
            not_durable = arguments | {SETTINGS: session | {"synchronous_commit": "off"}}
            self._non_durable_pool = self._non_durable = _engine(
                not_durable, NON_DURABLE_CONNECTIONS, isolation_level="AUTOCOMMIT"
            )
        self._retrying = RetryingTasks(is_transient)

    async def write(self, work: Callable[[Connection, bool], T], *, single: bool = False, durable: bool = False) -> T:
        if single:
            engine = (self._statements if durable else self._non_durable).sync_engine
            return await self._retrying.run(lambda again: _run(engine.connect, lambda conn: work(conn, again)))
        return await self._retrying.run(
            lambda again: _run(self._engine.sync_engine.begin, lambda conn: work(conn, again))
        )

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._retrying.run(lambda _again: _run(self._statements.sync_engine.connect, work))

    async def close(self) -> None:
        await self._retrying.finish()
        await self._engine.dispose()
        if self._non_durable_pool is not None:
            await self._non_durable_pool.dispose()


def _engine(arguments: dict[str, Any], connections: int, **options: Any) -> AsyncEngine:
    try:
        return create_async_engine(
            "postgresql+asyncpg://",
            connect_args=arguments,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT,
            pool_use_lifo=True,
            **options,
        )
    except ModuleNotFoundError as error:
        raise StartupError(
            _("PostgreSQL needs an extra package. Install it with: pip install 'comfycord[postgres]'.")
        ) from error


async def _run(connect: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], T]) -> T:
    """Run synchronous code with a connection in a greenlet, so that its queries await the event loop."""

    def run() -> T:
        with connect() as conn:
            return work(conn)

    return await greenlet_spawn(run)


def _arguments(url: sa.URL) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect`, which reads `sslmode` and the like from the URL itself."""
    pooled = url.query.get(NO_CACHE) == "0"
    address = url.difference_update_query([NO_CACHE, "channel_binding"])  # the latter is known to libpq only
    shared: dict[str, Any] = {
        "dsn": address.render_as_string(hide_password=False),
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": STATEMENT_TIMEOUT + 1,
    }
    if pooled:  # each statement may get another session, so nothing can be prepared or set
        return shared | {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    # There are few statements, they are long, and all are used as long as the bot runs
    return shared | {SETTINGS: _SESSION, "max_cacheable_statement_size": 0, "max_cached_statement_lifetime": 0}


_SESSION: Final = {
    "application_name": "comfycord",
    # Planning takes longer than execution, so plans are cached. A plan made for an empty queue must also suit a long
    # one, so it must use the indexes, however small the tables are at first.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "statement_timeout": f"{STATEMENT_TIMEOUT:.0f}s",
    "lock_timeout": f"{STATEMENT_TIMEOUT:.0f}s",
    "idle_in_transaction_session_timeout": "30s",
}


def is_transient(error: Exception) -> bool:
    """Whether a retry may help."""
    if isinstance(error, OSError | asyncio.TimeoutError | PoolTimeoutError | ResourceClosedError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    if state is None:  # raised by asyncpg itself, e.g. when the connection was closed
        return "connection" in str(cause) and "clos" in str(cause)
    return str(state).startswith(_TRANSIENT)
