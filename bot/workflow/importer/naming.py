"""Names that Discord accepts, made from the names of files, nodes and parameters."""

import keyword
import re
import unicodedata
from collections.abc import Collection

from bot.workflow.manifest.manifest import RESERVED_NAMES
from bot.workflow.text_format import SHOWN_LENGTH, shown

MAX_NAME = 32
"""Discord's limit for command and option names."""

MAX_READ = 500
"""Characters of a foreign name that are read."""

_TAKEN = frozenset({"self", "interaction"})
"""Parameters of the functions behind commands."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def slug(text: str) -> str:
    """Return lower-case letters and digits with single underscores between words; empty if there are none."""
    plain = unicodedata.normalize("NFKC", _CAMEL.sub("_", text[:MAX_READ])).lower()
    # Lower-casing can add characters, and some scripts use combining marks, which Discord rejects
    kept = "".join(char if char.isalnum() and char == char.lower() else "_" for char in plain)
    return "_".join(part for part in kept.split("_") if part)[:MAX_NAME].rstrip("_")


def option_name(text: str, fallback: str = "value") -> str:
    """Return an option name that is also a valid function parameter."""
    name = slug(text) or fallback
    if not name.isidentifier():
        name = f"option_{name}"[:MAX_NAME]
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _TAKEN:
        name += "_"
    return name if name.isidentifier() else fallback


def command_name(text: str) -> str:
    """Return a command name that is not one of the bot's own."""
    name = slug(text) or "my_workflow"
    return f"{name}_workflow" if name in RESERVED_NAMES else name


def unique(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number appended if it is taken."""
    number = 1
    numbered = name
    while numbered in taken:
        number += 1
        end = f"_{number}"
        numbered = f"{name[: MAX_NAME - len(end)]}{end}"
    return numbered


def title_of(name: str) -> str:
    """Return a readable title: “My portrait” for `my_portrait`."""
    words = shown(name.replace("_", " ").replace("-", " "), SHOWN_LENGTH).strip()
    return (words[:1].upper() + words[1:]) or "Workflow"
