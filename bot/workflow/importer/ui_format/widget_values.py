"""Widget values of a node, whether they come from the file, a subgraph's host or a PrimitiveNode."""

from collections.abc import Iterator
from typing import Any

from bot.workflow.importer.ui_format.classes import NO_DEFAULT, NodeClasses
from bot.workflow.importer.ui_format.scopes import SubgraphScope
from bot.workflow.importer.ui_format.ui_graph import UiNode
from bot.workflow.importer.ui_format.virtual import PRIMITIVE
from bot.workflow.importer.ui_format.widgets import (
    Values,
    as_text,
    constrained,
    held,
    plain_value,
)
from bot.workflow.json_access import items, text

_NAME = "Node name for S&R"
"""The property by which tokens in file names refer to a node."""


class WidgetValues:
    """Looks up widget values in a workflow that is laid out."""

    def __init__(self, root: SubgraphScope, classes: NodeClasses) -> None:
        self._root = root
        self._classes = classes
        self._by_name: dict[str, tuple[SubgraphScope, UiNode]] | None = None
        self._known: dict[str, Values] = {}

    def of(self, scope: SubgraphScope, node: UiNode) -> Values:
        """Return a node's widget values, as if no widget were linked to another node."""
        node_class = self._classes.get(node.type)
        if node_class is None:
            return {}
        values = held(node_class, node.values)
        for name, value in scope.overrides.get(node.id, {}).items():
            if name in values:
                widget = values[name][0]
                values[name] = (widget, plain_value(widget, value))
        for name, value in _from_primitives(scope, node):
            if name in values:
                widget = values[name][0]
                values[name] = (widget, constrained(widget, value))
        return values

    def token(self, name: str, widget: str) -> str | None:
        """Return the value of `%name.widget%`; None when there is no such node or widget."""
        if self._by_name is None:
            self._by_name = self._names()
        if name not in self._known:
            found = self._by_name.get(name)
            self._known[name] = self.of(*found) if found else {}
        values = self._known[name]
        return as_text(values[widget][1]) if widget in values else None

    def _names(self) -> dict[str, tuple[SubgraphScope, UiNode]]:
        """Return the first node of each name; names from properties come before titles."""
        nodes = list(_everywhere(self._root))
        named: dict[str, tuple[SubgraphScope, UiNode]] = {}
        for scope, node in nodes:
            named.setdefault(text(node.properties.get(_NAME)) or node.type, (scope, node))
        for scope, node in nodes:
            node_class = self._classes.get(node.type)
            named.setdefault(node.title or (node_class.display_name if node_class else node.type), (scope, node))
        return named


def _everywhere(scope: SubgraphScope) -> Iterator[tuple[SubgraphScope, UiNode]]:
    """Yield all nodes, outer ones first, including those that are not exported."""
    yield from ((scope, node) for node in scope.graph.nodes)
    for inner in scope.inner.values():
        yield from _everywhere(inner)


def _from_primitives(scope: SubgraphScope, node: UiNode) -> Iterator[tuple[str, Any]]:
    """Yield the inputs that a PrimitiveNode feeds directly, with its value, whatever its mode."""
    for slot in node.inputs:
        link = scope.graph.links.get(slot.link) if slot.link is not None else None
        origin = scope.graph.by_id.get(link.origin) if link else None
        if origin is not None and origin.type == PRIMITIVE:
            value = next(iter(items(origin.values)), NO_DEFAULT)
            if value is not NO_DEFAULT:
                yield slot.name, value
