"""Stores which server can run which class of jobs; claims read it."""

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.selectable import CTE

from bot.jobs.server_registry import Compatibility
from bot.storage.accounting.fair_share_sql import NOW
from bot.storage.engine.compiled import CompiledStatement, Values
from bot.storage.engine.dialect import Insert, insert, number
from bot.storage.schema.tables import WAITING, job_class
from bot.storage.schema.tables import fit as fits
from bot.storage.schema.tables import job as jobs
from bot.storage.schema.tables import server as servers
from bot.workflow.run.needs import Needs, dump_missing, load_missing
from bot.workflow.run.spec import RunSpec

TOUCH_INTERVAL: Final = 3600.0
"""Seconds between two updates of `used_at`, so that not every job writes to its class."""


def values(spec: RunSpec, now: float) -> Values:
    """Return the parameters of `touched` for a run; empty if it needs nothing."""
    needs = spec.needs
    return {"class_cls": needs.cls, "class_needs": needs.to_json(), "now": now} if needs.cls else {}


def touched(dialect: str, account: CTE | None = None) -> Insert:
    """Return the upsert of a run's class; if `account` is given, it runs after that CTE."""
    cls = sa.bindparam("class_cls", type_=sa.Text)
    just_used = sa.exists().where(job_class.c.cls == cls, job_class.c.used_at > NOW - number(TOUCH_INTERVAL))
    row = sa.select(cls, sa.bindparam("class_needs", type_=sa.Text), NOW).where(sa.not_(just_used))
    if account is not None:
        row = row.select_from(account)
    touching = insert(dialect, job_class).from_select(["cls", "needs", "used_at"], row)
    return touching.on_conflict_do_update(index_elements=[job_class.c.cls], set_={"used_at": touching.excluded.used_at})


def effects(dialect: str, names: Sequence[str], account: CTE) -> list[CTE]:
    """Return the upsert as a CTE of the statement that writes the job."""
    return [touched(dialect, account).cte("classed")] if "class_cls" in names else []


_TOUCH: Final = CompiledStatement(lambda dialect, _names: touched(dialect))


def touch(conn: Connection, new: Values) -> None:
    if "class_cls" in new:
        _TOUCH.run(conn, {name: new[name] for name in ("class_cls", "class_needs", "now")})


def unchecked_classes(conn: Connection, key: str, limit: int = 200) -> Mapping[str, Needs]:
    """Return classes without a verdict, most recently used first."""
    known = sa.exists().where(fits.c.server_id == key, fits.c.cls == job_class.c.cls)
    query = sa.select(job_class.c.cls, job_class.c.needs).where(sa.not_(known))
    found = conn.execute(query.order_by(job_class.c.used_at.desc()).limit(limit))
    return {cls: Needs.from_json(needs) for cls, needs in found}


def record(conn: Connection, key: str, verdicts: Mapping[str, Compatibility], fingerprint: str) -> None:
    """Store verdicts, unless the server has changed since. Its description is locked until the transaction ends."""
    described = sa.select(servers.c.server_id).where(servers.c.server_id == key, servers.c.fingerprint == fingerprint)
    if not verdicts or conn.execute(described.with_for_update(read=True)).first() is None:
        return
    entry = insert(conn.dialect.name, fits)
    entry = entry.on_conflict_do_update(
        index_elements=[fits.c.server_id, fits.c.cls],
        set_={"fits": entry.excluded.fits, "lacks": entry.excluded.lacks},
    )
    rows = (
        {
            "server_id": key,
            "cls": cls,
            "fits": verdicts[cls].is_compatible,
            "lacks": dump_missing(verdicts[cls].missing),
        }
        for cls in sorted(verdicts)
    )
    conn.execute(entry, list(rows))


def read(conn: Connection, cls: str) -> Mapping[str, Compatibility]:
    known = sa.select(fits.c.server_id, fits.c.fits, fits.c.lacks).join(
        servers, sa.and_(servers.c.server_id == fits.c.server_id, servers.c.enabled, servers.c.url != "")
    )
    found = conn.execute(known.where(fits.c.cls == cls).order_by(servers.c.place))
    return {key: Compatibility(fit, load_missing(lacks)) for key, fit, lacks in found}


def forget(conn: Connection, before: float) -> None:
    """Delete classes unused since `before`, unless a job of theirs is waiting."""
    waits = sa.exists().where(WAITING, jobs.c.cls == job_class.c.cls)
    old = sa.delete(job_class).where(job_class.c.used_at < before, sa.not_(waits)).returning(job_class.c.cls)
    classes = conn.scalars(old).all()
    if classes:
        conn.execute(sa.delete(fits).where(fits.c.cls.in_(sorted(classes))))
