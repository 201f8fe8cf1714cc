"""Reads the inputs that an author chose for ComfyUI's App mode (`extra.linearData` of a UI document).

Entries name nodes by their editor ids. Nodes inside subgraphs have longer ids in the graph, and inputs of a subgraph's
own node belong to a node inside it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.workflow.graph.graph import Target
from bot.workflow.importer.detect.author_hints import AuthorHint
from bot.workflow.importer.detect.proposal import Use
from bot.workflow.importer.detect.wiring import GraphWiring
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.ui_format.ui_graph import (
    MAX_NESTING,
    SUBGRAPH_INPUT,
    Subgraph,
    UiNode,
    UiWorkflow,
    identity,
)
from bot.workflow.json_access import items, mapping, text

MOST = 200
"""Entries that are read; a form with more fields is a mistake."""

_PATH = re.compile(r"[0-9a-fA-F-]{36}:(.+):([^:]+)")
"""A definition, a node in it and an input, in one string."""


class AppMode:
    """The App mode form of one document, as far as it leads to values in the graph."""

    def __init__(self, document: object, wiring: GraphWiring) -> None:
        extra = mapping(mapping(document).get("extra"))
        self._data: Mapping[str, Any] = mapping(extra.get("linearData"))
        self._document = document
        self._wiring = wiring

    def bus(self) -> Iterator[AuthorHint]:
        """Yield the chosen inputs in the author's order."""
        entries = items(self._data.get("inputs"))[:MOST]
        workflow = self._workflow() if entries else None
        for entry in entries:
            node_id, name = _parsed(entry)
            target = self._target(workflow, node_id, name)
            if target:
                yield AuthorHint(self._use(target))

    def outputs(self) -> tuple[str, ...]:
        """Return the ids of the nodes whose results the author chose to show."""
        named = (identity(each) for each in items(self._data.get("outputs"))[:MOST])
        return tuple(dict.fromkeys(found for each in named for found in self._nodes(each)))

    def _workflow(self) -> UiWorkflow | None:
        try:
            return UiWorkflow.read(self._document)
        except WorkflowImportError:
            return None

    def _target(self, workflow: UiWorkflow | None, node_id: str, name: str) -> Target | None:
        for found in self._nodes(node_id):
            if name in self._wiring.graph.nodes[found].inputs:
                return self._wiring.literal(found, name, _is_plain)
        host = next((each for each in workflow.graph.nodes if each.id == node_id), None) if workflow else None
        if workflow and host:
            return self._within(workflow, host, name)
        return None

    def _within(self, workflow: UiWorkflow, host: UiNode, name: str) -> Target | None:
        """Follow an input of a subgraph's node to the inner node that takes it."""
        path = host.id
        for _level in range(MAX_NESTING):
            subgraph = workflow.subgraphs.get(host.type)
            inner = _taker(subgraph, host, name) if subgraph else None
            if subgraph is None or inner is None:
                return None
            path, name = f"{path}:{inner[0]}", inner[1]
            if path in self._wiring.graph.nodes:
                known = name in self._wiring.graph.nodes[path].inputs
                return self._wiring.literal(path, name, _is_plain) if known else None
            if inner[0] not in subgraph.graph.by_id:
                return None
            host = subgraph.graph.by_id[inner[0]]
        return None

    def _nodes(self, node_id: str) -> list[str]:
        """Return the nodes that an id can mean: that node, or nodes inside subgraphs whose id ends with it."""
        nodes = self._wiring.graph.nodes
        if node_id in nodes or not node_id:
            return [node_id] if node_id else []
        return [each for each in nodes if each.endswith(f":{node_id}")]

    def _use(self, target: Target) -> Use:
        """For a node that only holds a value, use the input that it feeds: that one has limits and choices."""
        node = self._wiring.graph.nodes[target.node_id]
        readers = self._wiring.readers(node.id)
        if readers and not any(node.links()) and len(node.inputs) == 1:
            reader = readers[0][0]
            return Use(target, self._wiring.graph.nodes[reader.node_id].class_type, reader.input_name)
        return Use(target, node.class_type, target.input_name)


def _parsed(entry: object) -> tuple[str, str]:
    """Parse `[node, input]`, or one string of three parts."""
    parts = items(entry) or [entry]
    path = _PATH.fullmatch(text(parts[0]))
    if path:
        return path[1], path[2]
    return identity(parts[0]), text(parts[1]) if len(parts) > 1 else ""


def _taker(subgraph: Subgraph, host: UiNode, name: str) -> tuple[str, str] | None:
    """Return the inner node, and its input, that an input of the subgraph's host leads to."""
    for proxy in map(items, items(host.properties.get("proxyWidgets"))):
        if len(proxy) >= 2 and text(proxy[1]) == name and identity(proxy[0]) not in ("", "-1"):
            return identity(proxy[0]), name
    port = next((each for each in subgraph.inputs if each.name == name), None)
    links = set(port.links) if port else set[str]()
    for node in subgraph.graph.nodes:
        for slot in node.inputs:
            link = subgraph.graph.links.get(slot.link or "")
            if slot.link in links and link is not None and link.origin == SUBGRAPH_INPUT:
                return node.id, slot.name
    return None


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)
