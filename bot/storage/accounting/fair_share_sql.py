"""The arithmetic of `bot.policy.fair_share.Share` in SQL, for account and guild rows.

Needs the functions `power` and `ln`; on SQLite, `sqlite` defines them.
"""

from math import log
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.sql.elements import ColumnElement

from bot.policy.fair_share import (
    HALF_LIFE,
    MAX_CHARGE,
    MAX_HALF_LIVES,
    MAX_WEIGHT,
    MIN_WEIGHT,
    NO_USAGE_SCORE,
)

NOW: Final[ColumnElement[float]] = sa.bindparam("now", type_=sa.Double)


def _number(value: float) -> ColumnElement[float]:
    return sa.literal_column(repr(value), sa.Double)


def decay(since: ColumnElement[float], now: ColumnElement[float]) -> ColumnElement[float]:
    """Return the factor by which usage decays from `since` to `now`."""
    age = (now - since) / _number(HALF_LIFE)
    bounded = sa.case(
        (age <= _number(0.0), _number(0.0)), (age > _number(MAX_HALF_LIVES), _number(MAX_HALF_LIVES)), else_=age
    )
    return sa.func.power(_number(2.0), -bounded, type_=sa.Double)


def charged(table: Table, seconds: ColumnElement[float], weight: ColumnElement[float] | None = None) -> dict[str, Any]:
    """Return the new `used`, `used_at` and `score` after a charge or refund of GPU-seconds at `now`."""
    weighted = seconds
    if weight is not None:
        least, most = _number(MIN_WEIGHT), _number(MAX_WEIGHT)
        weighted = seconds / sa.case((weight < least, least), (weight > most, most), else_=weight)
    weighted = sa.case((weighted > _number(MAX_CHARGE), _number(MAX_CHARGE)), else_=weighted)
    used = table.c.used * decay(table.c.used_at, NOW) + weighted
    is_none = used <= _number(MIN_WEIGHT)
    score = sa.func.ln(used, type_=sa.Double) / _number(log(2.0)) + NOW / _number(HALF_LIFE)
    return {
        "used": sa.case((is_none, _number(0.0)), else_=used),
        "used_at": NOW,
        "score": sa.case((is_none, _number(NO_USAGE_SCORE)), else_=score),
    }
