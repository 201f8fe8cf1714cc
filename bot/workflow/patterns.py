from collections.abc import Sequence
from fnmatch import fnmatchcase


def matching(names: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the names that match one of the patterns, such as "*flux*", ignoring case; without patterns, all."""
    if not patterns:
        return tuple(names)
    folded = [pattern.casefold() for pattern in patterns]
    return tuple(name for name in names if any(fnmatchcase(name.casefold(), pattern) for pattern in folded))
