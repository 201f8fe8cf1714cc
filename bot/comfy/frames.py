"""Parses frames of ComfyUI's WebSocket into the events of `bot.comfy.events`.

An unknown or malformed frame becomes None, for the caller to count; no frame, however hostile, raises.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from bot.comfy.events import (
    Event,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    NodeProgress,
    NodeState,
    NodeText,
    PreviewImage,
    PreviewWithMetadata,
    ProgressState,
    Status,
)
from bot.workflow.json_access import (
    items,
    load,
    mapping,
    number,
    text,
)

PREVIEW_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
_LEGACY_TYPES = {1: "image/jpeg", 2: "image/png"}


def parse_text(frame: str | bytes) -> Event | None:
    """Parse a text frame; None if unknown or malformed."""
    content = mapping(load(frame))
    parse = _TEXT_KINDS.get(text(content.get("type")))
    data = content.get("data")
    return parse(mapping(cast("object", data))) if parse and isinstance(data, dict) else None


def parse_binary(frame: bytes) -> Event | None:
    """Parse a binary frame, with integers as big-endian u32; None if unknown or malformed."""
    kind, body = int.from_bytes(frame[:4], "big"), memoryview(frame)[4:]
    parse = _BINARY_KINDS.get(kind) if len(body) >= 4 else None
    return parse(int.from_bytes(body[:4], "big"), body[4:]) if parse else None


# ------------------------------------------------------------------ text frames


def _status(data: Mapping[str, Any]) -> Status | None:
    remaining = number(mapping(mapping(data.get("status")).get("exec_info")).get("queue_remaining"))
    return None if remaining is None else Status(int(remaining), text(data.get("sid")))


def _feature_flags(data: Mapping[str, Any]) -> FeatureFlags:
    return FeatureFlags(data)


def _execution_start(data: Mapping[str, Any]) -> ExecutionStart | None:
    prompt_id = text(data.get("prompt_id"))
    return ExecutionStart(prompt_id) if prompt_id else None


def _execution_cached(data: Mapping[str, Any]) -> ExecutionCached | None:
    prompt_id = text(data.get("prompt_id"))
    nodes = tuple(node for node in map(text, items(data.get("nodes"))) if node)
    return ExecutionCached(prompt_id, nodes) if prompt_id else None


def _executing(data: Mapping[str, Any]) -> Executing | None:
    prompt_id, node = text(data.get("prompt_id")), text(data.get("node"))
    over = "node" in data and data["node"] is None and prompt_id
    if not node and not over:
        return None
    return Executing(prompt_id, node or None, text(data.get("display_node")) or node)


def _progress(data: Mapping[str, Any]) -> NodeProgress | None:
    prompt_id, node = text(data.get("prompt_id")), text(data.get("node"))
    value, maximum = number(data.get("value")), number(data.get("max"))
    if not prompt_id or not node or value is None or maximum is None:
        return None
    return NodeProgress(prompt_id, node, value, maximum)


def _progress_state(data: Mapping[str, Any]) -> ProgressState | None:
    prompt_id = text(data.get("prompt_id"))
    states = mapping(data.get("nodes"))
    nodes = tuple(_node_state(text(node), mapping(state)) for node, state in states.items() if text(node))
    return ProgressState(prompt_id, nodes) if prompt_id else None


def _node_state(node: str, state: Mapping[str, Any]) -> NodeState:
    return NodeState(node, text(state.get("display_node_id")) or node, text(state.get("state")))


def _executed(data: Mapping[str, Any]) -> Executed | None:
    prompt_id, node = text(data.get("prompt_id")), text(data.get("node"))
    visible = text(data.get("display_node")) or node
    return Executed(prompt_id, visible, mapping(data.get("output"))) if prompt_id and node else None


def _execution_success(data: Mapping[str, Any]) -> ExecutionSuccess | None:
    prompt_id = text(data.get("prompt_id"))
    return ExecutionSuccess(prompt_id) if prompt_id else None


def _execution_error(data: Mapping[str, Any]) -> ExecutionError | None:
    prompt_id = text(data.get("prompt_id"))
    if not prompt_id:
        return None
    return ExecutionError(
        prompt_id,
        node=text(data.get("node_id")),
        class_type=text(data.get("node_type")),
        exception_type=text(data.get("exception_type")),
        message=text(data.get("exception_message")),
    )


def _execution_interrupted(data: Mapping[str, Any]) -> ExecutionInterrupted | None:
    prompt_id = text(data.get("prompt_id"))
    return ExecutionInterrupted(prompt_id, text(data.get("node_id"))) if prompt_id else None


_TEXT_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Event | None]] = {
    "status": _status,
    "feature_flags": _feature_flags,
    "execution_start": _execution_start,
    "execution_cached": _execution_cached,
    "executing": _executing,
    "progress": _progress,
    "progress_state": _progress_state,
    "executed": _executed,
    "execution_success": _execution_success,
    "execution_error": _execution_error,
    "execution_interrupted": _execution_interrupted,
}


# ------------------------------------------------------------------ binary frames


def _preview_image(image_type: int, data: memoryview) -> PreviewImage | None:
    content_type = _LEGACY_TYPES.get(image_type)
    return PreviewImage(content_type, bytes(data)) if content_type and data else None


def _node_text(length: int, data: memoryview) -> NodeText | None:
    if length > len(data):
        return None
    node, content = bytes(data[:length]), bytes(data[length:])
    return NodeText(node.decode(errors="replace"), content.decode(errors="replace"))


def _preview_with_metadata(length: int, data: memoryview) -> PreviewWithMetadata | None:
    if length >= len(data):
        return None
    metadata = mapping(load(bytes(data[:length])))
    prompt_id, content_type = text(metadata.get("prompt_id")), text(metadata.get("image_type"))
    if not prompt_id or content_type not in PREVIEW_TYPES:
        return None
    return PreviewWithMetadata(prompt_id, text(metadata.get("node_id")), content_type, bytes(data[length:]))


_BINARY_KINDS: Mapping[int, Callable[[int, memoryview], Event | None]] = {
    1: _preview_image,
    3: _node_text,
    4: _preview_with_metadata,
}
