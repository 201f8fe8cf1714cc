"""The arithmetic of `bot.policy.fair_share.Share` in SQL, for account and guild rows.

Needs the functions `power` and `ln`; on SQLite, `sqlite` defines them.
"""

from math import log
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.sql.elements import ColumnElement

from bot.policy.fair_share import HALF_LIFE, MAX_CHARGE, MAX_HALF_LIVES, MAX_WEIGHT, MIN_WEIGHT, NO_USAGE_SCORE
from bot.storage.engine.dialect import number

NOW: Final[ColumnElement[float]] = sa.bindparam("now", type_=sa.Double)


def decay(since: ColumnElement[float], now: ColumnElement[float]) -> ColumnElement[float]:
    """Return the factor by which usage decays from `since` to `now`."""
    age = (now - since) / number(HALF_LIFE)
    bounded = sa.case(
        (age <= number(0.0), number(0.0)), (age > number(MAX_HALF_LIVES), number(MAX_HALF_LIVES)), else_=age
    )
    return sa.func.power(number(2.0), -bounded, type_=sa.Double)


def charged(table: Table, seconds: ColumnElement[float], weight: ColumnElement[float] | None = None) -> dict[str, Any]:
    """Return the new `used`, `used_at` and `score` after a charge or refund of GPU-seconds at `now`."""
    weighted = seconds
    if weight is not None:
        least, most = number(MIN_WEIGHT), number(MAX_WEIGHT)
        weighted = seconds / sa.case((weight < least, least), (weight > most, most), else_=weight)
    weighted = sa.case((weighted > number(MAX_CHARGE), number(MAX_CHARGE)), else_=weighted)
    used = table.c.used * decay(table.c.used_at, NOW) + weighted
    is_none = used <= number(MIN_WEIGHT)
    score = sa.func.ln(used, type_=sa.Double) / number(log(2.0)) + NOW / number(HALF_LIFE)
    return {
        "used": sa.case((is_none, number(0.0)), else_=used),
        "used_at": NOW,
        "score": sa.case((is_none, number(NO_USAGE_SCORE)), else_=score),
    }
