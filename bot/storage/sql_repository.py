"""What the repositories share: an engine, and methods made from transaction functions.

A transaction function takes the connection first; the method has its other parameters. So each signature is written
once here, and once in the Protocol that the repository implements.
"""

import time
from collections.abc import Callable
from types import CoroutineType
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import Connection

from bot.storage.engine.base import Engine

P = ParamSpec("P")
T = TypeVar("T")


class SqlRepository:
    """A repository over an engine. `clock` times leases and heartbeats on SQLite; PostgreSQL uses its own clock."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self.clock = clock


Method: TypeAlias = "Callable[Concatenate[Any, P], CoroutineType[Any, Any, T]]"


def reads(work: Callable[Concatenate[Connection, P], T]) -> "Method[P, T]":
    """Return the method that runs `work` as a read-only transaction."""

    async def method(self: SqlRepository, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.engine.read(lambda conn: work(conn, *args, **kwargs))

    return method


def writes(
    work: Callable[Concatenate[Connection, P], T], *, single: bool = False, durable: bool = False
) -> "Method[P, T]":
    """Return the method that runs `work` as a transaction; for `single` and `durable` see `Engine.write`."""

    async def method(self: SqlRepository, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.engine.write(lambda conn, _again: work(conn, *args, **kwargs), single=single, durable=durable)

    return method


def timed_reads(work: Callable[Concatenate[Connection, float, P], T]) -> "Method[P, T]":
    """`reads` for a function whose second parameter is the time by the repository's clock."""

    async def method(self: SqlRepository, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.engine.read(lambda conn: work(conn, self.clock(), *args, **kwargs))

    return method


def timed_writes(
    work: Callable[Concatenate[Connection, float, P], T], *, single: bool = False, durable: bool = False
) -> "Method[P, T]":
    """`writes` for a function whose second parameter is the time by the repository's clock."""

    async def method(self: SqlRepository, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.engine.write(
            lambda conn, _again: work(conn, self.clock(), *args, **kwargs), single=single, durable=durable
        )

    return method
