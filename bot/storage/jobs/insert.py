"""Transactions that add jobs with their input files."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

from bot.jobs.job import Job, JobState
from bot.jobs.repository import DuplicateJobError
from bot.policy.terms import QueueTerms
from bot.storage import rows
from bot.storage.accounting import counters
from bot.storage.engine.compiled import CompiledStatement
from bot.storage.engine.dialect import POSTGRES, insert
from bot.storage.jobs import input_files, transitions
from bot.storage.schema.tables import job as jobs
from bot.storage.servers import compatibility


def add(conn: Connection, job: Job, terms: QueueTerms | None, now: float) -> None:
    """Adding the same job again is no error: the first answer may have been lost."""
    account, needs = counters.entry(job, terms, now), compatibility.values(job.spec, now)
    values = {f"{_NEW}{name}": value for name, value in rows.new_row(job).items()} | account | needs
    if _ADD.first(conn, values) is None:
        if not _is_kept(conn, job):
            raise DuplicateJobError(job.id)
        return
    if conn.dialect.name != POSTGRES:
        counters.enter(conn, account)
        compatibility.touch(conn, needs)
    input_files.write(conn, job.id, job.spec)


_NEW: Final = "new_"


def _adding(dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return the INSERT; on PostgreSQL the side effects are in the same statement, to save round trips."""
    columns = [name.removeprefix(_NEW) for name in names if name.startswith(_NEW)]
    values = {name: sa.bindparam(_NEW + name, type_=jobs.c[name].type) for name in columns}
    adding = insert(dialect, jobs).values(values).on_conflict_do_nothing().returning(jobs.c.seq)
    if dialect != POSTGRES:
        return adding
    new = adding.cte("new")
    account = counters.entered(dialect, names, new).cte("counted")
    opened = counters.guild_opened(dialect, account).cte("opened")
    return sa.select(new.c.seq).add_cte(account, opened, *compatibility.effects(dialect, names, account))


_ADD: Final = CompiledStatement(_adding)


def _is_kept(conn: Connection, job: Job) -> bool:
    same = sa.select(jobs.c.seq).where(jobs.c.id == job.id, jobs.c.interaction_id == job.place.interaction_id)
    return conn.execute(same).first() is not None


def queue(conn: Connection, job: Job, now: float, *, again: bool) -> Job:
    held = replace(job, state=JobState.HELD)
    details = {name: getattr(job, name) for name in ("spec", "place", "requester", "estimate", "pictures")}
    return transitions.transition(conn, held, JobState.QUEUED, details | {"holder": ""}, now, again=again)
