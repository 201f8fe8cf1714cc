"""Makes a server's error texts fit for members (`sanitize`), and a rejection by `/prompt` into faults to explain.

Covers the validation errors of old and new servers; unknown ones become `FaultKind.OTHER`.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from bot.workflow.json_access import items, mapping, text
from bot.workflow.run.events import FaultKind, GraphFault

MAX_TEXT = 200
_MAX_READ = 4000
"""Maximum characters processed; the rest would be cut off anyway."""
MAX_FAULTS = 20
"""Limits duplicates: each node behind a broken input may report it."""

_TRACEBACK = re.compile(r"Traceback \(most recent call last\).*", re.DOTALL)
_TENSOR = re.compile(r"\b(?:tensor|array|Parameter containing:\s*tensor)\([^()]*(?:\([^()]*\)[^()]*)*\)?")
_NUMBERS = re.compile(r"\[[-+\d\s.,eE\[\]]{40,}")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>]+", re.IGNORECASE)
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_QUOTED_PATH = re.compile(r"(['\"`])(?:[A-Za-z]:)?[\\/][^'\"`\n]*?([^'\"`\n\\/]*)[\\/]?\1")
_ABSOLUTE_PATH = re.compile(
    r"(?:(?<![\w.])~?/(?=[^\s/])|\b[A-Za-z]:[\\/]|\\\\)"
    r"(?:(?:(?! [~\\/])[^'\"<>|,;:()\n])*[\\/])?"  # folders may contain spaces; " /" starts another path
    r"([^\s'\"<>|,;:()]*)"
)
_WORD = re.compile(r"[^\s'\"<>|,;:()]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_SPACES = re.compile(r" {2,}")

_KINDS = {
    "required_input_missing": FaultKind.MISSING_INPUT,
    "value_smaller_than_min": FaultKind.TOO_SMALL,
    "value_bigger_than_max": FaultKind.TOO_BIG,
    "value_not_in_list": FaultKind.NOT_IN_LIST,
    "invalid_input_type": FaultKind.WRONG_TYPE,
    "return_type_mismatch": FaultKind.WRONG_TYPE,
    "bad_linked_input": FaultKind.WRONG_TYPE,
    "missing_node_type": FaultKind.MISSING_NODE,
    "prompt_no_outputs": FaultKind.NO_OUTPUTS,
    "no_prompt": FaultKind.NO_OUTPUTS,
}
_LIMITS = {FaultKind.TOO_SMALL: "min", FaultKind.TOO_BIG: "max"}
_BAD_FILE = re.compile(r"invalid \w+ file|file not found|no such file", re.IGNORECASE)
_MISSING_CLASS = re.compile(r"because node (?P<class_type>.+) does not exist", re.DOTALL)
_NODE_ID = re.compile(r"Node ID '#(?P<node_id>[^']+)'")


def rejection_faults(answer: object) -> tuple[GraphFault, ...]:
    """Parse the body of a 400 from `/prompt`; always returns at least one fault."""
    error = mapping(mapping(answer).get("error"))
    return node_faults(mapping(answer).get("node_errors")) or (_prompt_fault(error),)


def node_faults(node_errors: object) -> tuple[GraphFault, ...]:
    """Parse `node_errors`, which both a 400 and a 200 can contain."""
    return tuple(islice(_all_node_faults(mapping(node_errors)), MAX_FAULTS))


def _all_node_faults(node_errors: Mapping[str, Any]) -> Iterator[GraphFault]:
    for node_id, report in node_errors.items():
        class_type = text(mapping(report).get("class_type"))
        for error in items(mapping(report).get("errors")):
            yield _node_fault(text(node_id), class_type, mapping(error))


def _node_fault(node_id: str, class_type: str, error: Mapping[str, Any]) -> GraphFault:
    info = mapping(error.get("extra_info"))
    kind = _kind(error)
    return GraphFault(
        kind,
        node_id=node_id,
        class_type=class_type,
        input_name=text(info.get("input_name")),
        received=_value(info.get("received_value")),
        limit=_limit(kind, info),
        detail=_detail(error),
    )


def _kind(error: Mapping[str, Any]) -> FaultKind:
    kind = text(error.get("type"))
    if kind == "custom_validation_failed" and _BAD_FILE.search(text(error.get("details"))):
        return FaultKind.BAD_FILE
    return _KINDS.get(kind, FaultKind.OTHER)


def _prompt_fault(error: Mapping[str, Any]) -> GraphFault:
    """Parse an error about the whole graph, such as a missing node class (`invalid_prompt` before 2026)."""
    info = mapping(error.get("extra_info"))
    missing = _MISSING_CLASS.search(text(error.get("message")))
    node = _NODE_ID.search(text(error.get("details")))
    return GraphFault(
        FaultKind.MISSING_NODE if missing else _kind(error),
        node_id=text(info.get("node_id")) or (node["node_id"] if node else ""),
        class_type=text(info.get("class_type")) or (missing["class_type"] if missing else ""),
        detail=_detail(error),
    )


def _limit(kind: FaultKind, info: Mapping[str, Any]) -> str:
    config = items(info.get("input_config"))
    options = mapping(config[1] if len(config) > 1 else None)
    return _value(options.get(_LIMITS.get(kind, "")))


def _value(value: object) -> str:
    """Format a plain value; links and structures are of no use to members."""
    return sanitize(str(value)) if isinstance(value, str | int | float) else ""


def _detail(error: Mapping[str, Any]) -> str:
    message, details = text(error.get("message")), text(error.get("details"))
    return sanitize(": ".join(part for part in (message.rstrip("."), details) if part))


# ------------------------------------------------------------------ texts


def sanitize(message: str, limit: int = MAX_TEXT) -> str:
    """Return a server's message on one line, at most `limit` characters long, without paths, addresses and dumps.

    File names are kept: the name of a missing model is what the reader needs.
    """
    message = message[:_MAX_READ].encode(errors="replace").decode()
    message = _TRACEBACK.sub("", message)
    message = _TENSOR.sub("…", message)
    message = _NUMBERS.sub("[…]", message)
    message = _URL.sub("…", message)
    message = _ADDRESS.sub("…", message)
    message = _QUOTED_PATH.sub(r"\1\2\1", message)
    message = _ABSOLUTE_PATH.sub(r"\1", message)
    message = _WORD.sub(_without_folders, message)
    message = _SPACES.sub(" ", _CONTROL.sub(" ", message)).strip()
    return message if len(message) <= limit else message[: limit - 1].rstrip() + "…"


def _without_folders(word: re.Match[str]) -> str:
    """Keep "1/4" and "SDXL/model.safetensors"; of deeper paths, only the last part."""
    parts = re.split(r"[\\/]+", word[0].strip("\\/"))
    return word[0] if len(parts) <= 2 else parts[-1]
