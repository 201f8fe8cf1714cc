"""Sanitizes foreign text for messages: short, on one line, without mentions and paths.

Titles and keys come from authors, values from members, details from servers; none of it is trusted.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import islice

from bot.i18n import Message, _

SHOWN_LENGTH = 60
DETAIL_LENGTH = 200
MAX_DETAIL = 4000
"""Characters of a text that are examined at all."""

MAX_COMPARED = 2000
"""Names to compare with; each comparison takes about 10 µs."""

LISTED = 12
"""Names that a list shows before the rest is only counted."""

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def shown(value: object, limit: int = SHOWN_LENGTH) -> str:
    """Return a foreign value as one short line without mentions."""
    line = _BLANKS.sub(" ", _SURROGATES.sub("�", str(value))).strip()
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return line.replace("@", "@\u200b").replace("<#", "<\u200b#")


def cleaned(detail: str) -> str:
    """Return a server's text as one short line without paths, URLs, mentions and traceback."""
    rows = [row.strip() for row in detail.splitlines() if row.strip()]
    if not rows:
        return ""
    row = rows[-1] if rows[0].startswith("Traceback") else rows[0]
    words = ("…" if _is_path(word) else word for word in row[:MAX_DETAIL].split())
    return shown(" ".join(words), DETAIL_LENGTH)


def _is_path(word: str) -> bool:
    """Whether a word might be (part of) a path or a URL; false positives are better than a leak."""
    return ("/" in word or "\\" in word) and any(char.isalpha() for char in word)


def listed(names: Iterable[object], limit: int = LISTED) -> Message:
    """Join names with commas; beyond `limit` they are only counted."""
    every = [shown(name) for name in names]
    text = ", ".join(every[:limit])
    if len(every) <= limit:
        return Message("{text}", {"text": text})
    return _("{names} and {more} more", names=text, more=len(every) - limit)


def nearest(wanted: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name, if one is similar enough."""
    by_folded = {name.casefold(): name for name in islice(known, MAX_COMPARED)}
    found = difflib.get_close_matches(wanted.casefold()[:100], by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def lines(messages: Sequence[Message]) -> Message:
    """Join messages with line breaks; each is translated on its own."""
    names = [f"line{number}" for number in range(len(messages))]
    return Message("\n".join(f"{{{name}}}" for name in names), dict(zip(names, messages, strict=True)))


def joined(messages: Sequence[Message], limit: int = LISTED) -> Message:
    """Join messages with commas; each is translated on its own. Beyond `limit` they are only counted."""
    names = [f"part{number}" for number in range(min(len(messages), limit))]
    text = Message(", ".join(f"{{{name}}}" for name in names), dict(zip(names, messages, strict=False)))
    if len(messages) <= limit:
        return text
    return _("{names} and {more} more", names=text, more=len(messages) - limit)


def tidy(value: float) -> str:
    """Format a number as people write it: 7 instead of 7.0."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
