"""What the editor does to texts on export: comments and choices in prompts, tokens in file names."""

import re
from collections.abc import Callable

Choose = Callable[[int], int]
"""Takes a count and picks a number from 0 up to, but not including, it."""

MAX_MARKS = 10_000
"""Braces and bars in one prompt; with more, it stays unchanged."""

MAX_PREFIX = 1000
"""Characters of a file name with tokens, and of a value that replaces one."""

_COMMENT_START = re.compile(r"/\*|//")
_LINE_END = re.compile(r"[\n\r\u2028\u2029]|$")
_MARK = re.compile(r"(\\[{}|]|[{}|])")
_TOKEN = re.compile(r"%([^%]+)%")
_NOT_IN_FILE_NAMES = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def first(_count: int) -> int:
    """Choose the first: every export is the same."""
    return 0


def dynamic_prompt(text: str, choose: Choose = first) -> str:
    """Return a prompt without comments, with each `{a|b|{c|d}}` replaced by one of its parts.

    A comment starts at `//` even within a URL, as in the editor. `\\{`, `\\|` and `\\}` stand for themselves.
    """
    pieces = _MARK.split(_without_comments(text))
    if len(pieces) > MAX_MARKS:
        return text
    frames: list[list[list[str]]] = [[[]]]  # open braces, outermost first → their parts → pieces of text
    for piece in pieces:
        if piece == "{":
            frames.append([[]])
        elif piece == "|" and len(frames) > 1:
            frames[-1].append([])
        elif piece == "}" and len(frames) > 1:
            _close(frames, choose)
        else:
            frames[-1][-1].append(piece[1:] if _MARK.fullmatch(piece) and len(piece) > 1 else piece)
    while len(frames) > 1:  # unclosed braces end with the text
        _close(frames, choose)
    return "".join(frames[0][0])


def _without_comments(text: str) -> str:
    """Remove comments in one pass; a block that is never closed stays."""
    kept: list[str] = []
    at, last_end = 0, text.rfind("*/")
    while found := _COMMENT_START.search(text, at):
        start, end = found.span()
        if found[0] == "//":
            line_end = _LINE_END.search(text, end)
            kept.append(text[at:start])
            at = line_end.start() if line_end else len(text)
        elif end <= last_end:
            kept.append(text[at:start])
            at = text.find("*/", end) + 2
        else:
            kept.append(text[at:end])
            at = end
    kept.append(text[at:])
    return "".join(kept)


def _close(frames: list[list[list[str]]], choose: Choose) -> None:
    parts = frames.pop()
    frames[-1][-1].append("".join(parts[choose(len(parts))]))


def fill_tokens(text: str, lookup: Callable[[str, str], str | None]) -> str:
    """Replace each `%Node.widget%` with `lookup(node, widget)`; those without a value are left for the server."""

    if len(text) > MAX_PREFIX:
        return text

    def replaced(match: re.Match[str]) -> str:
        node, dot, widget = match[1].partition(".")
        value = lookup(node, widget) if dot and "." not in widget else None
        return match[0] if value is None or len(value) > MAX_PREFIX else _NOT_IN_FILE_NAMES.sub("_", value)

    return _TOKEN.sub(replaced, text)
