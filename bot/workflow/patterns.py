"""Names that fit patterns such as "*flux*". Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matching(names: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the names that one of the patterns fits, whatever their case; without patterns, all."""
    if not patterns:
        return tuple(names)
    folded = [pattern.casefold() for pattern in patterns]
    return tuple(name for name in names if any(fnmatchcase(name.casefold(), pattern) for pattern in folded))
