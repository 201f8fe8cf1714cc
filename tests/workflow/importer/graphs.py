"""Compares two graphs whose nodes may have other ids: same classes, same inputs, same links."""

from collections.abc import Mapping
from typing import Any

Graph = Mapping[str, Mapping[str, Any]]


def differences(ours: Graph, theirs: Graph) -> list[str]:
    """Say what differs, after renaming; nothing when the graphs are equal. Titles do not count."""
    names = renaming(ours, theirs)
    renamed = {names.get(node_id, node_id): node for node_id, node in ours.items()}
    found = [f"{node_id} is missing" for node_id in theirs if node_id not in renamed]
    for node_id, node in renamed.items():
        other = theirs.get(node_id)
        if other is None:
            found.append(f"{node_id} ({node['class_type']}) is too many")
            continue
        if node["class_type"] != other.get("class_type"):
            found.append(f"{node_id}: {node['class_type']} instead of {other.get('class_type')}")
        found += _input_differences(node_id, _renamed(node["inputs"], names), other["inputs"])
    return found


def renaming(ours: Graph, theirs: Graph) -> dict[str, str]:
    """Pair nodes by what they are and what feeds them, repeated until nothing changes; equal ids win among equals."""
    mine, other = _fingerprints(ours), _fingerprints(theirs)
    free: dict[int, list[str]] = {}
    for node_id, mark in other.items():
        free.setdefault(mark, []).append(node_id)
    names: dict[str, str] = {}
    for node_id, mark in sorted(mine.items(), key=lambda each: each[0] not in other):
        candidates = free.get(mark, [])
        if candidates:
            names[node_id] = node_id if node_id in candidates else candidates[0]
            candidates.remove(names[node_id])
    return names


def _fingerprints(graph: Graph) -> dict[str, int]:
    """Mark each node by its class and values, then by its neighbours on both sides, as often as the graph is deep."""
    marks = {node_id: hash((node.get("class_type"), _values(node))) for node_id, node in graph.items()}
    for _round in range(min(len(graph), 50)):
        around: dict[str, list[Any]] = {node_id: [] for node_id in graph}
        for node_id, node in graph.items():
            for name, (origin, slot) in _links(node, graph):
                around[node_id].append((name, slot, marks[origin]))
                around[origin].append((slot, name, marks[node_id]))
        marks = {node_id: hash((marks[node_id], tuple(sorted(map(repr, around[node_id]))))) for node_id in graph}
    return marks


def _values(node: Mapping[str, Any]) -> str:
    return repr(sorted((name, _plain(value)) for name, value in node["inputs"].items() if not _is_link(value)))


def _plain(value: Any) -> str:
    """Return a number as JavaScript has it: one kind, 53 bits."""
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _links(node: Mapping[str, Any], graph: Graph) -> list[tuple[str, tuple[str, int]]]:
    found = [(name, (value[0], value[1])) for name, value in node["inputs"].items() if _is_link(value)]
    return [each for each in found if each[1][0] in graph]


def _renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: [names.get(value[0], value[0]), value[1]] if _is_link(value) else value for name, value in inputs.items()
    }


def _input_differences(node_id: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    keys = [name for name in {**ours, **theirs} if name not in ours or name not in theirs]
    found = [f"{node_id}: {name} is {'too many' if name in ours else 'missing'}" for name in keys]
    for name, value in ours.items():
        if name in theirs and _plain(value) != _plain(theirs[name]):
            found.append(f"{node_id}.{name}: {value!r:.60} instead of {theirs[name]!r:.60}")
    return found
