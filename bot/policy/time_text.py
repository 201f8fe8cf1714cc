"""Formats GPU time and time spans for messages, and parses spans that people type. Pure.

GPU time is shown in minutes, the unit in which moderators set it.
"""

import re
from math import ceil

from bot.i18n import Message, n_

MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0
WEEK = 7 * DAY

_UNITS = {"s": 1.0, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_NUMBER_AND_UNIT = re.compile(r"(\d{1,6})\s*(min|[smhdw])", re.ASCII)


def read_span(typed: str) -> float | None:
    """Parse a time span such as "30m", "1h 30m" or "2d" into seconds; None when it is not one."""
    text = typed.strip().casefold()
    parts = _NUMBER_AND_UNIT.findall(text)
    if not parts or _NUMBER_AND_UNIT.sub("", text).strip():
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def minutes(seconds: float) -> str:
    """Format GPU time as minutes ("9", "0.5"), rounded up so that some usage never shows as 0."""
    tenths = ceil(max(0.0, seconds) / MINUTE * 10 - 1e-9)
    return f"{tenths / 10:.1f}".removesuffix(".0")


def span(seconds: float) -> Message:
    """Format a time span, rounded up so that trying again after it is never too early."""
    if seconds <= 90:
        return n_("{count} second", "{count} seconds", max(1, ceil(seconds)))
    if seconds <= 90 * MINUTE:
        return n_("{count} minute", "{count} minutes", ceil(seconds / MINUTE))
    if seconds <= 2 * DAY:
        return n_("{count} hour", "{count} hours", ceil(seconds / HOUR))
    return n_("{count} day", "{count} days", ceil(seconds / DAY))
