"""What jobs need of a server, stored once per class of jobs for the compatibility check."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.sql.selectable import CTE

from bot.jobs.store.prepared import Prepared, Values
from bot.jobs.store.shares import NOW
from bot.jobs.store.statements import Insert, insert
from bot.jobs.store.tables import job_class
from bot.workflow.spec import RunSpec

RECENT: Final = 3600.0
"""Seconds between two updates of `used_at`, so that not every job writes to its class."""


def values(spec: RunSpec, now: float) -> Values:
    """Return the parameters of `touched` for a run; empty if it needs nothing."""
    needs = spec.needs
    return {"class_cls": needs.cls, "class_needs": needs.to_json(), "now": now} if needs.cls else {}


def touched(dialect: str, account: CTE | None = None) -> Insert:
    """Return the upsert of a run's class; if `account` is given, it runs after that CTE."""
    cls = sa.bindparam("class_cls", type_=sa.Text)
    just_used = sa.exists().where(job_class.c.cls == cls, job_class.c.used_at > NOW - sa.literal_column(str(RECENT)))
    row = sa.select(cls, sa.bindparam("class_needs", type_=sa.Text), NOW).where(sa.not_(just_used))
    if account is not None:
        row = row.select_from(account)
    touching = insert(dialect, job_class).from_select(["cls", "needs", "used_at"], row)
    return touching.on_conflict_do_update(index_elements=[job_class.c.cls], set_={"used_at": touching.excluded.used_at})


def effects(dialect: str, names: Sequence[str], account: CTE) -> list[CTE]:
    """Return the upsert as a CTE of the statement that writes the job."""
    return [touched(dialect, account).cte("classed")] if "class_cls" in names else []


_TOUCH: Final = Prepared(lambda dialect, _names: touched(dialect))


def touch(conn: Connection, new: Values) -> None:
    if "class_cls" in new:
        _TOUCH.run(conn, {name: new[name] for name in ("class_cls", "class_needs", "now")})
