"""Looks at JSON whose shape is not to be trusted: each function returns the value in the wanted shape, or an empty one.

Custom nodes put anything into frames and answers, so nothing here raises. Knows neither servers nor graphs.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, cast

MAX_NUMBER = 10**15
"""Counts beyond this are nonsense, and break arithmetic on floats."""


def load(data: str | bytes) -> Any:
    """Parse JSON as ComfyUI writes it, bare NaN and Infinity included; None when it cannot be parsed.

    Python's own parser on purpose: strict ones refuse NaN, and some turn integers above 2^53 into floats.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # ValueError also stands for bad UTF-8 and for integers of absurd length
        return None


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, or an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else dict[str, Any]()


def items(value: object) -> list[Any]:
    """Return a JSON list, or an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else list[Any]()


def text(value: object) -> str:
    """Return a text that can be encoded as UTF-8, or an empty one."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair
        return ""
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return the texts in a JSON list, as they are: half a surrogate pair stays what it was."""
    return tuple(entry for entry in items(value) if isinstance(entry, str))


def number(value: object) -> int | float | None:
    """Return a finite number of sane size, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) <= MAX_NUMBER else None


def size(value: object) -> int:
    """Return a count of bytes, or 0."""
    return max(0, int(number(value) or 0))
