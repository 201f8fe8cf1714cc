"""Transactions that change one job, guarded by its epoch: whoever holds an old one changes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.job import Delivery, IllegalMoveError, Job, JobState
from bot.jobs.store import accounts, inputs, rows
from bot.jobs.store.tables import job as jobs
from bot.jobs.store.tables import usage

GRACE: Final = 60.0
"""Seconds for which the end of a job is left to whoever brought it about, before anybody else tells it."""

Changes = Mapping[str, Any]

# Statements are built once, and get their values when they are executed: building them takes longer than SQLite does.
_SET: Final = (
    sa.update(jobs)
    .where(
        jobs.c.id == sa.bindparam("this_id"),
        jobs.c.epoch == sa.bindparam("this_epoch"),
        jobs.c.state == sa.bindparam("this_state"),
    )
    .returning(jobs)
)
_newer: Final = jobs.c.token_expires < sa.bindparam("new_expires", type_=sa.Double)
_SET_WITH_TOKEN: Final = _SET.values(
    interaction_token=sa.case((_newer, sa.bindparam("new_token", type_=sa.Text)), else_=jobs.c.interaction_token),
    token_expires=sa.case((_newer, sa.bindparam("new_expires", type_=sa.Double)), else_=jobs.c.token_expires),
)
"""An older token never replaces a newer one."""

_NO_END: Final = {
    "not_before": 0.0, "finished": 0.0, "outputs": (), "note": None, "error": None, "delivery": Delivery.NONE,
    "tries": 0, "cancel_by": 0,
}  # fmt: skip
"""What a job in the line has not: an end."""


_CHARGE: Final = sa.insert(usage)


def move(conn: Connection, job: Job, state: JobState, changes: Changes, now: float, *, again: bool) -> Job:
    """See `JobStore.move`. `again`: an earlier try may have been carried out although its answer was lost."""
    changes = _implied(job, state, changes, now)
    moved = job.moved(state, **changes)
    row = _write(conn, job, rows.columns(moved, {*changes, "state"}))
    if row is None:
        return _moved_before(conn, moved, again=again)
    inputs.write(conn, job.id, changes.get("spec"))
    accounts.shift(conn, row["account_id"], job.state, state)
    _charge(conn, row, job.state, now)
    if state is JobState.DONE:
        inputs.drop(conn, [job.id])
    return rows.read(row)


def note(conn: Connection, job: Job, changes: Changes) -> Job:
    """See `JobStore.note`."""
    row = _write(conn, job, rows.columns(replace(job, **changes), changes))
    if row is None:
        raise IllegalMoveError(f"job {job.id} is not {job.state} under epoch {job.epoch} any more")
    inputs.write(conn, job.id, changes.get("spec"))
    return rows.read(row)


def seize(conn: Connection, job_id: str) -> Job | None:
    """See `JobStore.seize`."""
    take = sa.update(jobs).where(jobs.c.id == job_id).values(epoch=jobs.c.epoch + 1).returning(jobs)
    row = conn.execute(take).mappings().first()
    return None if row is None else rows.read(row)


def renew_token(conn: Connection, job_id: str, token: str, expires: float) -> Job | None:
    """See `JobStore.renew_token`."""
    newer = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.token_expires < expires)
    conn.execute(newer.values(interaction_token=token, token_expires=expires))
    row = conn.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().first()
    return None if row is None else rows.read(row)


def _implied(job: Job, state: JobState, changes: Changes, now: float) -> Changes:
    """Return the changes with what follows from them."""
    if state is JobState.QUEUED:
        return {**_NO_END, **changes, "epoch": job.epoch + 1}
    implied: dict[str, Any] = dict(changes)
    if (state.is_final or state is JobState.DELIVERING) and not implied.get("finished", job.finished):
        implied["finished"] = now
    if implied.get("delivery") is Delivery.PENDING:
        implied.setdefault("not_before", implied.get("finished", now) + GRACE)
    return implied


def _write(conn: Connection, job: Job, values: rows.Values) -> rows.Row | None:
    this = {"this_id": job.id, "this_epoch": job.epoch, "this_state": job.state.value}
    values = {"epoch": job.epoch, **values}
    if "interaction_token" not in values:
        return conn.execute(_SET, values | this).mappings().first()
    token, expires = values.pop("interaction_token"), values.pop("token_expires")
    values |= {"new_token": token, "new_expires": expires}
    return conn.execute(_SET_WITH_TOKEN, values | this).mappings().first()


def _moved_before(conn: Connection, moved: Job, *, again: bool) -> Job:
    """Return the job if the first try of this very move went through."""
    there = sa.select(jobs).where(jobs.c.id == moved.id, jobs.c.epoch == moved.epoch, jobs.c.state == moved.state.value)
    row = conn.execute(there).mappings().first() if again else None
    if row is None:
        raise IllegalMoveError(f"job {moved.id} is not what it was: it cannot become {moved.state}")
    return rows.read(row)


def _charge(conn: Connection, row: rows.Row, before: JobState, now: float) -> None:
    """Write the GPU time of a run that has left its server into the ledger; a prompt never posted used none."""
    if before is not JobState.RUNNING or not row["posted"] or not row["started"]:
        return
    run = {name: row[name] for name in ("epoch", "account_id", "guild_id", "user_id")}
    seconds = max(0.0, (row["finished"] or now) - row["started"])
    conn.execute(_CHARGE, run | {"job_id": row["id"], "gpu_seconds": seconds, "at": now})
