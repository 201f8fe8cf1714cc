"""Parses the `/history` entry of a finished prompt.

Outputs only come from here: `executed` events are incomplete for cached nodes. All output keys count (images, gifs,
audio, …), because custom nodes invent their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.comfy.errors import sanitize
from bot.workflow.json_access import (
    items,
    mapping,
    text,
    texts,
)
from bot.workflow.run.events import (
    FailureKind,
    OutputRef,
    OutputText,
    RunFailure,
    RunResult,
)

MAX_TEXTS, MAX_CHARACTERS = 20, 100_000
"""Limits per run: nodes can output any amount of text."""
BLOCKED_TYPE = "ExecutionBlocked"
_FOLDERS = frozenset({"output", "temp"})
_OUT_OF_MEMORY = ("out of memory", "allocation on device")


def run_result(entry: object, blocked: RunFailure | None = None) -> RunResult:
    """Parse a history entry.

    `blocked` is an ExecutionBlocked error seen during the run: history reports such a run as a success without the
    reason for its missing outputs.
    """
    history = _HistoryEntry.read(mapping(entry))
    outputs, texts = _outputs(history), tuple(_output_texts(history))[:MAX_TEXTS]
    failure = _failure(history)
    if failure is None and not outputs and not texts:
        failure = blocked or RunFailure(FailureKind.NO_OUTPUTS)
    return RunResult(outputs, texts, failure, _cached(history))


def error_failure(exception_type: str, message: str, node_id: str, class_type: str) -> RunFailure:
    """Classify an `execution_error` from an event or history."""
    if exception_type == BLOCKED_TYPE:
        kind = FailureKind.BLOCKED
    elif exception_type.endswith("OutOfMemoryError") or any(mark in message.lower() for mark in _OUT_OF_MEMORY):
        kind = FailureKind.OUT_OF_MEMORY
    else:
        kind = FailureKind.NODE_ERROR
    return RunFailure(kind, node_id, class_type, sanitize(message))


@dataclass(frozen=True, slots=True)
class _HistoryEntry:
    """The relevant parts of a history entry."""

    graph: Mapping[str, Any]
    outputs: Mapping[str, Any]
    meta: Mapping[str, Any]
    status: Mapping[str, Any]

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "_HistoryEntry":
        queue_item = items(entry.get("prompt"))
        return cls(
            graph=mapping(queue_item[2] if len(queue_item) > 2 else None),
            outputs=mapping(entry.get("outputs")),
            meta=mapping(entry.get("meta")),
            status=mapping(entry.get("status")),
        )

    def visible(self, node_id: str) -> str:
        """Return the node of the submitted graph that an expanded node ("1.0.0.3") belongs to.

        Other nodes are not looked up: for cached ones `meta` may contain ids of an earlier run.
        """
        return (
            node_id if node_id in self.graph else text(mapping(self.meta.get(node_id)).get("display_node")) or node_id
        )


# ------------------------------------------------------------------ files


def _outputs(history: _HistoryEntry) -> tuple[OutputRef, ...]:
    """Return the files in the order of the graph's nodes; the server's order is random."""
    order = {node_id: position for position, node_id in enumerate(history.graph)}
    return tuple(sorted(dict.fromkeys(_files(history)), key=lambda ref: order.get(ref.node_id, len(order))))


def _files(history: _HistoryEntry) -> Iterator[OutputRef]:
    for node_id, output in history.outputs.items():
        yield from output_refs(history.visible(text(node_id)), mapping(output))


def output_refs(node_id: str, output: Mapping[str, Any]) -> Iterator[OutputRef]:
    """Return the files in one node's output, in the format of `executed` events and history."""
    for values in output.values():
        for value in items(values):
            ref = _file(node_id, mapping(value))
            if ref:
                yield ref


def _output_texts(history: _HistoryEntry) -> Iterator[OutputText]:
    """Yield text outputs of nodes such as PreviewAny: any text under the key "text"."""
    for node_id, output in history.outputs.items():
        for value in texts(mapping(output).get("text")):
            if content := text(value.replace("\0", "")[:MAX_CHARACTERS]).strip():
                yield OutputText(history.visible(text(node_id)), content)


def _file(node_id: str, entry: Mapping[str, Any]) -> OutputRef | None:
    filename, folder = text(entry.get("filename")), text(entry.get("type"))
    if not filename or folder not in _FOLDERS:
        return None
    return OutputRef(node_id, filename, text(entry.get("subfolder")), folder)


def _cached(history: _HistoryEntry) -> frozenset[str]:
    """Return the nodes whose outputs came from the server's cache."""
    nodes: set[str] = set()
    for message in items(history.status.get("messages")):
        kind, data = (*items(message), None, None)[:2]
        if text(kind) == "execution_cached":
            nodes.update(history.visible(text(node)) for node in items(mapping(data).get("nodes")))
    return frozenset(nodes)


# ------------------------------------------------------------------ failure


def _failure(history: _HistoryEntry) -> RunFailure | None:
    if text(history.status.get("status_str")) != "error":
        return None
    for message in reversed(items(history.status.get("messages"))):
        kind, data = (*items(message), None, None)[:2]
        failure = _error(text(kind), mapping(data), history)
        if failure:
            return failure
    return RunFailure(FailureKind.NODE_ERROR)


def _error(kind: str, data: Mapping[str, Any], history: _HistoryEntry) -> RunFailure | None:
    node_id, class_type = history.visible(text(data.get("node_id"))), text(data.get("node_type"))
    if kind == "execution_interrupted":
        # The reported node is not used: a slow node still finishes, and the next one gets the blame.
        return RunFailure(FailureKind.INTERRUPTED)
    if kind == "execution_error":
        exception_type, message = text(data.get("exception_type")), text(data.get("exception_message"))
        return error_failure(exception_type, message, node_id, class_type)
    return None
