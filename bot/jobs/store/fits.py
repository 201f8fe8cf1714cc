"""Transactions on verdicts: which server can run which class of jobs. The claim reads them."""

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
    """See `FleetRecords.unjudged`: first what was asked for last, and in the end everything."""
    judged = sa.exists().where(fits.c.server_id == key, fits.c.cls == job_class.c.cls)
    query = sa.select(job_class.c.cls, job_class.c.needs).where(sa.not_(judged))
    found = conn.execute(query.order_by(job_class.c.used_at.desc()).limit(limit))
    return {cls: Needs.from_json(needs) for cls, needs in found}


def judge(conn: Connection, key: str, verdicts: Mapping[str, Verdict], fingerprint: str) -> None:
    """See `FleetRecords.judge`. Nobody describes the server anew before the end of the transaction."""
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
    """Forget classes of which no job waits, and of which none came since a time."""
    waits = sa.exists().where(WAITING, jobs.c.cls == job_class.c.cls)
    old = sa.delete(job_class).where(job_class.c.used_at < before, sa.not_(waits)).returning(job_class.c.cls)
    classes = conn.scalars(old).all()
    if classes:
        conn.execute(sa.delete(fits).where(fits.c.cls.in_(sorted(classes))))
