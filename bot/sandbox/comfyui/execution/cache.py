"""The cache of node results.

The key is what determines a result (class, values and dependencies), not the node's id: the same graph with other ids,
or from another client, is a hit. This is why a repeated prompt writes no new file.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, cast

from bot.sandbox.comfyui.files import Folders, OutsideError
from bot.sandbox.comfyui.state import Generation

MAX_RESULTS = 128
"""Kept across prompts by the new generation; the old one keeps those of the last prompt only."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A node's result, and its id in the prompt that computed it."""

    values: tuple[Any, ...]
    ui: dict[str, Any] | None
    node_id: str


class NodeCache:
    """Signature → result; the oldest are evicted first."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, Cached] = OrderedDict()

    def get(self, signature: str) -> Cached | None:
        return self._results.get(signature)

    def put(self, signature: str, result: Cached) -> None:
        self._results[signature] = result
        while len(self._results) > MAX_RESULTS:
            self._results.popitem(last=False)

    def begin(self, signatures: set[str], generation: Generation) -> None:
        """In the old generation, evict results that are not part of the starting prompt."""
        if generation is Generation.OLD:
            self._results = OrderedDict((key, kept) for key, kept in self._results.items() if key in signatures)

    def clear(self) -> None:
        """Drop everything, for `POST /free`."""
        self._results.clear()


def signatures(graph: dict[str, Any], folders: Folders) -> dict[str, str]:
    """Return the signature of each node of a validated graph; nodes with broken dependencies have none."""
    found: dict[str, str] = {}
    for node_id in graph:
        try:
            _sign(node_id, graph, folders, found)
        except (KeyError, TypeError, RecursionError):
            continue  # belongs to an output that validation dropped
    return found


def _sign(node_id: str, graph: dict[str, Any], folders: Folders, found: dict[str, str]) -> str:
    if node_id in found:
        return found[node_id]
    node = graph[node_id]
    parts: list[Any] = [node["class_type"]]
    for name, value in sorted(cast("dict[str, Any]", node["inputs"]).items()):
        if isinstance(value, list):
            source, slot = cast("list[Any]", value)
            parts.append((name, _sign(source, graph, folders, found), slot))
        else:
            parts.append((name, value))
    if node["class_type"] in ("LoadImage", "LoadImageMask"):
        parts.append(_file_hash(str(node["inputs"].get("image")), folders))
    found[node_id] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return found[node_id]


def _file_hash(value: str, folders: Folders) -> str:
    try:
        return hashlib.sha256(folders.loadable(value).read_bytes()).hexdigest()
    except (OSError, OutsideError, ValueError):
        return ""
