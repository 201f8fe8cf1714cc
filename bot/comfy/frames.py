"""Parses frames of ComfyUI's WebSocket, a prompt's frames directly into the run events that jobs see.

An unknown or malformed frame becomes None, for the caller to count; no frame, however hostile, raises.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from bot.comfy.history import BLOCKED_TYPE, error_failure, output_refs
from bot.workflow.json_access import (
    items,
    load,
    mapping,
    number,
    text,
)
from bot.workflow.run.events import (
    NodesCached,
    NodeStarted,
    OutputsWritten,
    Preview,
    Progress,
    RunEnded,
    RunEvent,
    RunFailure,
    RunStarted,
)

PREVIEW_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
_IMAGE_TYPES = frozenset({1, 2})
"""JPEG and PNG, as numbered in previews without a prompt id."""


@dataclass(frozen=True, slots=True)
class Status:
    """The queue length changed; broadcast to all clients. `sid` is only set on the first frame of a connection."""

    queue_remaining: int
    sid: str = ""


class Unattributed(Enum):
    """Known frames without a prompt id."""

    GREETING = auto()
    """The answer to our feature flags, or the current node, repeated for a new connection."""
    PROGRESS = auto()
    """A preview or a node's text, possibly of another client's prompt."""


@dataclass(frozen=True, slots=True)
class DisplayNodes:
    """Nodes made while running ("1.0.0.3"), each with the node of the graph that it belongs to."""

    by_node: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Blocked:
    """An ExecutionBlocked error. The run continues and succeeds, and history lacks this error."""

    failure: RunFailure


@dataclass(frozen=True, slots=True)
class EndAnnounced:
    """The run succeeded, failed or was interrupted, but may be missing from history until `RunEnded`."""


Events = tuple[RunEvent | DisplayNodes | Blocked | EndAnnounced, ...]


@dataclass(frozen=True, slots=True)
class PromptFrame:
    """A frame about one prompt, ours or another client's; without events it still proves that the prompt is alive.

    `Progress` can name a node made while running. `RunStarted` is missing for a run that is joined late.
    """

    prompt_id: str
    events: Events = ()


Frame = PromptFrame | Status | Unattributed


def parse_text(frame: str | bytes) -> Frame | None:
    """Parse a text frame; None if unknown or malformed."""
    content = mapping(load(frame))
    kind, data = text(content.get("type")), content.get("data")
    if not isinstance(data, dict):
        return None
    data = mapping(cast("object", data))
    if kind == "status":
        return _status(data)
    prompt_id = text(data.get("prompt_id"))
    if kind == "feature_flags" or (kind == "executing" and not prompt_id and text(data.get("node"))):
        return Unattributed.GREETING
    parse = _EVENTS.get(kind) if prompt_id else None
    events = parse(data) if parse else None
    return None if events is None else PromptFrame(prompt_id, events)


def parse_binary(frame: bytes) -> Frame | None:
    """Parse a binary frame, with integers as big-endian u32; None if unknown or malformed."""
    if len(frame) < 8:
        return None
    kind, size, body = int.from_bytes(frame[:4], "big"), int.from_bytes(frame[4:8], "big"), memoryview(frame)[8:]
    match kind:
        case 1 if size in _IMAGE_TYPES and body:
            return Unattributed.PROGRESS
        case 3 if size <= len(body):
            return Unattributed.PROGRESS
        case 4 if size < len(body):
            return _preview(mapping(load(bytes(body[:size]))), body[size:])
        case _:
            return None


def _preview(metadata: Mapping[str, Any], data: memoryview) -> PromptFrame | None:
    prompt_id, content_type = text(metadata.get("prompt_id")), text(metadata.get("image_type"))
    if not prompt_id or content_type not in PREVIEW_TYPES:
        return None
    return PromptFrame(prompt_id, (Preview(bytes(data), content_type),))


def _status(data: Mapping[str, Any]) -> Status | None:
    remaining = number(mapping(mapping(data.get("status")).get("exec_info")).get("queue_remaining"))
    return None if remaining is None else Status(int(remaining), text(data.get("sid")))


# ------------------------------------------------------------------ the events of a prompt; None if malformed


def _execution_start(_data: Mapping[str, Any]) -> Events:
    return (RunStarted(),)


def _execution_cached(data: Mapping[str, Any]) -> Events:
    nodes = tuple(node for node in map(text, items(data.get("nodes"))) if node)
    return (NodesCached(nodes),) if nodes else ()


def _executing(data: Mapping[str, Any]) -> Events | None:
    node = text(data.get("node"))
    if not node:
        return (RunEnded(),) if "node" in data and data["node"] is None else None
    display_node = text(data.get("display_node")) or node
    return (*_display_nodes({node: display_node}), NodeStarted(display_node))


def _progress(data: Mapping[str, Any]) -> Events | None:
    node, value, maximum = text(data.get("node")), number(data.get("value")), number(data.get("max"))
    if not node or value is None or maximum is None:
        return None
    return (Progress(node, value, maximum),)


def _progress_state(data: Mapping[str, Any]) -> Events:
    states = mapping(data.get("nodes"))
    return _display_nodes({text(node): text(mapping(state).get("display_node_id")) for node, state in states.items()})


def _display_nodes(by_node: Mapping[str, str]) -> Events:
    expanded = {node: display for node, display in by_node.items() if node and display and node != display}
    return (DisplayNodes(expanded),) if expanded else ()


def _executed(data: Mapping[str, Any]) -> Events | None:
    node = text(data.get("node"))
    if not node:
        return None
    refs = tuple(output_refs(text(data.get("display_node")) or node, mapping(data.get("output"))))
    return (OutputsWritten(refs),) if refs else ()


def _execution_error(data: Mapping[str, Any]) -> Events:
    exception_type, message = text(data.get("exception_type")), text(data.get("exception_message"))
    if exception_type != BLOCKED_TYPE:
        return (EndAnnounced(),)
    return (Blocked(error_failure(exception_type, message, text(data.get("node_id")), text(data.get("node_type")))),)


def _end(_data: Mapping[str, Any]) -> Events:
    return (EndAnnounced(),)


_EVENTS: Mapping[str, Callable[[Mapping[str, Any]], Events | None]] = {
    "execution_start": _execution_start,
    "execution_cached": _execution_cached,
    "executing": _executing,
    "progress": _progress,
    "progress_state": _progress_state,
    "executed": _executed,
    "execution_error": _execution_error,
    "execution_success": _end,
    "execution_interrupted": _end,
}
