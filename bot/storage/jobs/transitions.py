"""Transactions that change one job, guarded by its epoch: a stale copy changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import ColumnElement

from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.storage import rows
from bot.storage.accounting import counters, usage
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import POSTGRES
from bot.storage.jobs import input_files
from bot.storage.schema.tables import UNFINISHED
from bot.storage.schema.tables import job as jobs
from bot.storage.servers import compatibility

GRACE: Final = 60.0
"""Seconds in which only the process that ended a job delivers its outcome."""

Changes = Mapping[str, Any]

_NEW: Final = "new_"
"""Prefix of parameters that hold new column values; SQLAlchemy reserves the bare column names."""


def _update_sql(names: Sequence[str]) -> sa.Update:
    columns = [name.removeprefix(_NEW) for name in names if name.startswith(_NEW)]
    values: dict[str, ColumnElement[Any]] = {
        name: sa.bindparam(_NEW + name, type_=jobs.c[name].type) for name in columns
    }
    if "interaction_token" in values:  # an older token never replaces a newer one
        newer = jobs.c.token_expires < values["token_expires"]
        for name in ("interaction_token", "token_expires"):
            values[name] = sa.case((newer, values[name]), else_=jobs.c[name])
    this = (jobs.c.id == sa.bindparam("this_id"), jobs.c.epoch == sa.bindparam("this_epoch"),
            jobs.c.state == sa.bindparam("this_state"))  # fmt: skip
    statement = sa.update(jobs).where(*this)
    if usage.ENDED_AT not in names:
        return statement.values(values).returning(*rows.READ)
    return statement.values(values | usage.settled()).returning(*rows.READ, *usage.SETTLED)


def _transition_sql(dialect: str, names: Sequence[str]) -> ClauseElement:
    """Return the UPDATE; on PostgreSQL the side effects are in the same statement, to save round trips."""
    update = _update_sql(names)
    if dialect != POSTGRES:
        return update
    changed = update.cte("moved")
    others = counters.cte_effects(changed, names)
    others += compatibility.effects(dialect, names, others[0]) if others else []
    others += usage.cte_effects(changed, names)
    return sa.select(changed).add_cte(*others)


_UPDATE: Final = CompiledStatement(lambda _dialect, names: _update_sql(names))
_TRANSITION: Final = CompiledStatement(_transition_sql)

_WAITING: Final = (JobState.HELD.value, JobState.QUEUED.value)
_RESET: Final = {
    "not_before": 0.0, "finished": 0.0, "outputs": (), "note": None, "error": None, "delivery": Delivery.NONE,
    "tries": 0, "cancel_by": 0,
}  # fmt: skip
"""Columns reset when a job is queued again."""


def transition(conn: Connection, job: Job, state: JobState, changes: Changes, now: float, *, again: bool) -> Job:
    """`again`: an earlier attempt may have been committed although its answer was lost."""
    changes = _implied(job, state, changes, now)
    changed = job.with_state(state, **changes)
    values = _values(job, rows.columns(changed, {*changes, "state"})) | counters.steps(job.state, state, now)
    values |= usage.values(job, changed, now) if job.state is JobState.RUNNING else {}
    values |= compatibility.values(changed.spec, now) if state is JobState.QUEUED and "spec" in changes else {}
    row = _TRANSITION.first(conn, values)
    if row is None:
        return _is_repeat(conn, changed, again=again)
    if conn.dialect.name != POSTGRES:
        counters.apply_effects(conn, row, values)
        compatibility.touch(conn, values)
        usage.apply_effects(conn, row, values)
    input_files.write(conn, job.id, changes.get("spec"))
    if job.state is JobState.DELIVERING and state is JobState.FAILED:
        usage.forgive(conn, job.id)
    if state is JobState.DONE and changed.spec.uploads:
        input_files.drop(conn, [job.id])
    return rows.read(row)


def is_single(job: Job, changes: Changes) -> bool:
    """Whether a change involves no input files, and so is a single statement on PostgreSQL."""
    return not job.spec.uploads and not (changes["spec"].uploads if "spec" in changes else ())


def update(conn: Connection, job: Job, changes: Changes) -> Job:
    row = _UPDATE.first(conn, _values(job, rows.columns(replace(job, **changes), changes)))
    if row is None:
        raise StaleJobError(f"job {job.id} is not {job.state} under epoch {job.epoch}")
    input_files.write(conn, job.id, changes.get("spec"))
    return rows.read(row)


def take_over(conn: Connection, job_id: str) -> Job | None:
    take = sa.update(jobs).where(jobs.c.id == job_id).values(epoch=jobs.c.epoch + 1).returning(jobs)
    row = conn.execute(take).mappings().first()
    return None if row is None else rows.read(row)


def renew_token(conn: Connection, job_id: str, token: str, expires: float) -> Job | None:
    newer = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.token_expires < expires)
    conn.execute(newer.values(interaction_token=token, token_expires=expires))
    row = conn.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().first()
    return None if row is None else rows.read(row)


def cancel(conn: Connection, job_id: str, by: int, now: float) -> Job | None:
    row = conn.execute(sa.select(jobs).where(jobs.c.id == job_id).with_for_update()).mappings().first()
    if row is None:
        return None
    if row["state"] in _WAITING:
        return _end(conn, row, by, now)
    if row["state"] != JobState.RUNNING.value or row["cancel_by"]:
        return rows.read(row)
    request = sa.update(jobs).where(jobs.c.id == job_id).values(cancel_by=by).returning(jobs)
    return rows.read(conn.execute(request).mappings().one())


def cancel_requests(conn: Connection, server: str) -> Sequence[tuple[str, int]]:
    running = sa.and_(UNFINISHED, jobs.c.server == server, jobs.c.state == JobState.RUNNING.value)
    requests = sa.select(jobs.c.id, jobs.c.cancel_by).where(running, jobs.c.cancel_by != 0)
    return [(job_id, by) for job_id, by in conn.execute(requests)]


def _end(conn: Connection, row: rows.Row, by: int, now: float) -> Job:
    end = {
        "state": JobState.CANCELLED.value,
        "epoch": jobs.c.epoch + 1,
        "delivery": Delivery.PENDING.value,
        "finished": now,
        "not_before": now,
        "cancel_by": by,
    }
    ended = conn.execute(sa.update(jobs).where(jobs.c.id == row["id"]).values(end).returning(jobs)).mappings().one()
    counters.apply_effects(conn, dict(ended), counters.steps(JobState(row["state"]), JobState.CANCELLED, now))
    return rows.read(ended)


def _implied(job: Job, state: JobState, changes: Changes, now: float) -> Changes:
    """Return the changes plus those that follow from them."""
    if state is JobState.QUEUED:
        return {**_RESET, **changes, "epoch": job.epoch + 1}
    implied: dict[str, Any] = dict(changes)
    if (state.is_final or state is JobState.DELIVERING) and not implied.get("finished", job.finished):
        implied["finished"] = now
    if implied.get("delivery") is Delivery.PENDING:
        implied.setdefault("not_before", implied.get("finished", now) + GRACE)
    return implied


def _values(job: Job, columns: Values) -> Values:
    """Return the parameters of `_update_sql`. The epoch is always included: an update may change nothing else."""
    new = {f"{_NEW}{name}": columns[name] for name in sorted(columns)}
    return {"new_epoch": job.epoch, **new, "this_id": job.id, "this_epoch": job.epoch, "this_state": job.state.value}


def _is_repeat(conn: Connection, changed: Job, *, again: bool) -> Job:
    """Return the job if the first attempt of this transition was committed."""
    same = sa.select(jobs).where(
        jobs.c.id == changed.id, jobs.c.epoch == changed.epoch, jobs.c.state == changed.state.value
    )
    row = conn.execute(same).mappings().first() if again else None
    if row is None:
        raise StaleJobError(f"job {changed.id} has changed: it cannot become {changed.state}")
    return rows.read(row)
