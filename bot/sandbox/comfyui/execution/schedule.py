"""The order in which the nodes of a graph run; it is not the order of their ids, so clients must not rely on it."""

from collections.abc import Callable
from typing import Any, cast


def links(node: dict[str, Any]) -> list[str]:
    """Return the ids of the nodes that `node` is linked to."""
    inputs = cast("dict[str, Any]", node["inputs"])
    return [cast("list[Any]", value)[0] for value in inputs.values() if isinstance(value, list)]


def needed(graph: dict[str, Any], outputs: list[str]) -> list[str]:
    """Return the ids of `outputs` and all their dependencies, dependencies first."""
    order: list[str] = []
    seen: set[str] = set()
    stack = [(output, False) for output in reversed(outputs)]
    while stack:
        node_id, is_ready = stack.pop()
        if is_ready:
            order.append(node_id)
        elif node_id not in seen:
            seen.add(node_id)
            stack.append((node_id, True))
            stack += [(source, False) for source in reversed(links(graph[node_id])) if source not in seen]
    return order


def pick(waiting: list[str], graph: dict[str, Any], done: set[str], is_output: Callable[[str], bool]) -> str:
    """Choose the next node whose dependencies are done; output nodes first, so that results appear early."""
    ready = [node_id for node_id in waiting if all(source in done for source in links(graph[node_id]))]
    return next((node_id for node_id in ready if is_output(graph[node_id]["class_type"])), ready[0])
