"""Turns pydantic's errors about a manifest into messages that name the table and the key.

Error types without an entry in `_SENTENCES` keep pydantic's own text.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from bot.i18n import Message, _, verbatim
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.options import KINDS
from bot.workflow.manifest.sections import (
    Access,
    Action,
    Preset,
    Requires,
)
from bot.workflow.text_format import listed, nearest, shown

Context = Mapping[str, Any]

_SENTENCES: Mapping[str, Callable[[Context], Message]] = {
    "missing": lambda _context: _("is missing. Add it."),
    "string_type": lambda _context: _("must be text in quotation marks."),
    "bool_type": lambda _context: _("must be true or false."),
    "int_type": lambda _context: _("must be a whole number."),
    "int_from_float": lambda _context: _("must be a whole number."),
    "float_type": lambda _context: _("must be a number."),
    "finite_number": lambda _context: _("must be a finite number."),
    "dict_type": lambda _context: _("must be a table."),
    "model_type": lambda _context: _("must be a table."),
    "model_attributes_type": lambda _context: _("must be a table."),
    "tuple_type": lambda _context: _("must be text or a list of text values."),
    "too_short": lambda _context: _("must not be empty."),
    "too_long": lambda context: _("can have at most {limit} entries.", limit=context["max_length"]),
    "string_pattern_mismatch": lambda _context: _("must look like “Class.input”."),
    "string_too_short": lambda _context: _("must not be empty."),
    "string_too_long": lambda context: _("can have at most {limit} characters.", limit=context["max_length"]),
    "greater_than": lambda context: _("must be more than {limit}.", limit=context["gt"]),
    "greater_than_equal": lambda context: _("must be at least {limit}.", limit=context["ge"]),
    "less_than_equal": lambda context: _("must be at most {limit}.", limit=context["le"]),
    "literal_error": lambda context: _("must be {expected}.", expected=context["expected"]),
    "union_tag_not_found": lambda _context: _("kind is missing. Use one of: {kinds}.", kinds=listed(KINDS)),
}

_TABLES: Mapping[str, type[BaseModel]] = {
    "access": Access,
    "requires": Requires,
    "presets": Preset,
    "actions": Action,
}
_NAMED = frozenset({"presets", "actions"})
"""Tables that contain named tables."""

MAX_ERRORS = 20
"""Authors fix these first; a hostile file could cause thousands."""


def manifest_errors(error: ValidationError, model: type[BaseModel]) -> tuple[Message, ...]:
    """Return one message for each wrong key of a manifest that was read as `model`, in pydantic's order."""
    found: dict[tuple[str, str], Message] = {}
    for detail in error.errors(include_url=False, include_input=False):
        table, kind, key = _place(detail["loc"])
        reason = detail.get("ctx", {}).get("error")
        key = key or (reason.key if isinstance(reason, RefusedValueError) else "")
        if (table, key) in found and key:
            # A union gives one error for each of its types.
            sentence = _("must be text or a number.")
        else:
            sentence = _sentence(
                detail["type"], detail.get("ctx", {}), key, _TABLES.get(kind) or KINDS.get(kind, model)
            )
        found[table, key] = _placed(table, key, sentence or verbatim(detail["msg"]))
    return tuple(found.values())[:MAX_ERRORS]


def _place(location: tuple[int | str, ...]) -> tuple[str, str, str]:
    """Return the table, the option's kind and the key. The kind is part of pydantic's location only."""
    parts = [str(part) for part in location]
    if parts[:1] != ["options"] or len(parts) < 2:
        return _other_place(parts)
    kind, key = (*parts[2:4], "", "")[:2]
    if kind == "[key]":  # pydantic's marker for an error in the option's name
        return f"options.{shown(parts[1])}", "", ""
    return f"options.{shown(parts[1])}", kind, shown(key)


def _other_place(parts: list[str]) -> tuple[str, str, str]:
    """Do the same for everything outside `[options]`."""
    if len(parts) < 2 or parts[0] not in _TABLES:
        return "", "", shown(parts[0]) if parts else ""
    if parts[0] not in _NAMED:
        return parts[0], parts[0], shown(parts[1])
    return f"{parts[0]}.{shown(parts[1])}", parts[0], shown(parts[2]) if len(parts) > 2 else ""


def _placed(table: str, key: str, sentence: Message) -> Message:
    if table and key:
        return Message("[{table}] {key}: {sentence}", {"table": table, "key": key, "sentence": sentence})
    if table or key:
        return Message("{place}: {sentence}", {"place": f"[{table}]" if table else key, "sentence": sentence})
    return sentence


def _sentence(kind: str, context: Mapping[str, Any], key: str, model: type[BaseModel]) -> Message | None:
    if kind == "extra_forbidden":
        return _unknown(key, _keys(model), _("unknown key. Known keys: {known}.", known=listed(_keys(model), 20)))
    if kind == "union_tag_invalid":
        tag = str(context["tag"])
        return _unknown(
            tag, KINDS, _("unknown kind “{kind}”. Use one of: {kinds}.", kind=shown(tag), kinds=listed(KINDS))
        )
    reason = context.get("error")
    if isinstance(reason, RefusedValueError):
        return reason.reason
    known = _SENTENCES.get(kind)
    return known(context) if known else None


def _unknown(given: str, known: Collection[str], otherwise: Message) -> Message:
    guess = nearest(given, known)
    if guess is None:
        return otherwise
    return _("“{given}” is unknown. Did you mean “{guess}”?", given=shown(given), guess=guess)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
