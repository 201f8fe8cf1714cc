"""Reads untrusted JSON: each function returns the value if it has the expected shape, else an empty one.

Custom nodes can put anything into frames and responses, so nothing here raises.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, cast

MAX_NUMBER = 10**15
"""Larger counts make no sense, and break arithmetic with floats."""


def load(data: str | bytes) -> Any:
    """Parse JSON as ComfyUI writes it, including bare NaN and Infinity; None if invalid.

    Uses Python's own parser: strict ones refuse NaN, and some turn integers above 2^53 into floats.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # ValueError includes invalid UTF-8 and absurdly long integers
        return None


def mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else dict[str, Any]()


def items(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else list[Any]()


def text(value: object) -> str:
    """Return text that can be encoded as UTF-8, or an empty one."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair
        return ""
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return the texts in a JSON list unchanged, even with half a surrogate pair."""
    return tuple(entry for entry in items(value) if isinstance(entry, str))


def number(value: object) -> int | float | None:
    """Return a finite number up to `MAX_NUMBER`, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) <= MAX_NUMBER else None


def size(value: object) -> int:
    """Return a non-negative whole number, or 0."""
    return max(0, int(number(value) or 0))
