"""Read-only queries for jobs and events."""

from collections.abc import Collection, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Job, JobState
from bot.storage import rows
from bot.storage.engine.compiled import CompiledStatement
from bot.storage.schema.tables import WAITING, event
from bot.storage.schema.tables import job as jobs

MAX_FOUND: Final = 10


_GET: Final = CompiledStatement(
    lambda _dialect, _names: sa.select(*rows.READ).where(jobs.c.id == sa.bindparam("this_id"))
)
_WAITING: Final = CompiledStatement(
    lambda _dialect, _names: sa.select(sa.func.count().label("waiting")).where(
        WAITING, jobs.c.user_id == sa.bindparam("this_user", type_=sa.BigInteger)
    )
)


def get(conn: Connection, job_id: str) -> Job | None:
    row = _GET.first(conn, {"this_id": job_id})
    return None if row is None else rows.read(row)


def find(conn: Connection, prefix: str) -> Sequence[Job]:
    alike = sa.select(jobs).where(jobs.c.id.startswith(prefix, autoescape=True))
    return _read(conn, alike.order_by(jobs.c.seq.desc()).limit(MAX_FOUND))


def count_waiting(conn: Connection, user_id: int) -> int:
    (row,) = _WAITING.rows(conn, {"this_user": user_id})
    return row["waiting"]


def history(conn: Connection, user_id: int, *, limit: int, offset: int = 0) -> Sequence[Job]:
    query = sa.select(jobs).where(jobs.c.user_id == user_id).order_by(jobs.c.seq.desc())
    return _read(conn, query.limit(limit).offset(offset))


def browse(conn: Connection, states: Collection[JobState], *, limit: int) -> Sequence[Job]:
    query = sa.select(jobs).order_by(jobs.c.seq.desc()).limit(limit)
    return _read(conn, query.where(jobs.c.state.in_([state.value for state in states])) if states else query)


def count(conn: Connection) -> dict[JobState, int]:
    counted = dict(conn.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all())
    return {state: counted.get(state.value, 0) for state in JobState}


def has_event_since(conn: Connection, what: str, since: float) -> bool:
    query = sa.select(event.c.id).where(event.c.what == what, event.c.at >= since).limit(1)
    return conn.execute(query).first() is not None


def _read(conn: Connection, query: sa.Select[tuple[object, ...]]) -> list[Job]:
    return rows.read_all(conn.execute(query).mappings())
