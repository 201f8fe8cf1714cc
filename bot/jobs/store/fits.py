"""Stores which server can run which class of jobs; claims read it."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.jobs.fleetrecords import Verdict
from bot.jobs.store.statements import insert
from bot.jobs.store.tables import WAITING, job_class
from bot.jobs.store.tables import fit as fits
from bot.jobs.store.tables import job as jobs
from bot.jobs.store.tables import server as servers
from bot.workflow.needs import Needs, dump_lacks, load_lacks


def unjudged(conn: Connection, key: str, limit: int) -> Mapping[str, Needs]:
    """Return classes without a verdict, most recently used first."""
    judged = sa.exists().where(fits.c.server_id == key, fits.c.cls == job_class.c.cls)
    query = sa.select(job_class.c.cls, job_class.c.needs).where(sa.not_(judged))
    found = conn.execute(query.order_by(job_class.c.used_at.desc()).limit(limit))
    return {cls: Needs.from_json(needs) for cls, needs in found}


def judge(conn: Connection, key: str, verdicts: Mapping[str, Verdict], fingerprint: str) -> None:
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
        {"server_id": key, "cls": cls, "fits": verdicts[cls].fits, "lacks": dump_lacks(verdicts[cls].lacks)}
        for cls in sorted(verdicts)
    )
    conn.execute(entry, list(rows))


def verdicts(conn: Connection, cls: str) -> Mapping[str, Verdict]:
    known = sa.select(fits.c.server_id, fits.c.fits, fits.c.lacks).join(
        servers, sa.and_(servers.c.server_id == fits.c.server_id, servers.c.enabled, servers.c.url != "")
    )
    found = conn.execute(known.where(fits.c.cls == cls).order_by(servers.c.place))
    return {key: Verdict(fit, load_lacks(lacks)) for key, fit, lacks in found}


def forget(conn: Connection, before: float) -> None:
    """Delete classes unused since `before`, unless a job of theirs is waiting."""
    waits = sa.exists().where(WAITING, jobs.c.cls == job_class.c.cls)
    old = sa.delete(job_class).where(job_class.c.used_at < before, sa.not_(waits)).returning(job_class.c.cls)
    classes = conn.scalars(old).all()
    if classes:
        conn.execute(sa.delete(fits).where(fits.c.cls.in_(sorted(classes))))
