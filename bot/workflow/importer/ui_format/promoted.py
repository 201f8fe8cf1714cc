"""Finds the inputs of a subgraph that are widgets of the node that represents it: those that lead to a widget inside.

The node's saved values are a list of exactly these, so their order decides what each value means.
"""

from collections.abc import Mapping

from bot.workflow.importer.ui_format.classes import NodeClasses
from bot.workflow.importer.ui_format.ui_graph import (
    MAX_NESTING,
    NodeSlot,
    Subgraph,
    UiNode,
)


class Promotions:
    """Finds promoted inputs, once per subgraph."""

    def __init__(self, subgraphs: Mapping[str, Subgraph], classes: NodeClasses) -> None:
        self._subgraphs = subgraphs
        self._classes = classes
        self._known: dict[Subgraph, Mapping[int, str]] = {}
        self._depth = 0

    def of(self, subgraph: Subgraph) -> Mapping[int, str]:
        """Return the promoted inputs by number, in order."""
        if subgraph not in self._known and self._depth <= MAX_NESTING:
            self._known[subgraph] = {}  # ends the recursion for a subgraph within itself, which `Layout` rejects
            self._depth += 1
            fed = self._fed_widgets(subgraph)
            self._depth -= 1
            ports = enumerate(subgraph.inputs)
            self._known[subgraph] = {at: port.name for at, port in ports if not fed.isdisjoint(port.links)}
        return self._known.get(subgraph, {})

    def _fed_widgets(self, subgraph: Subgraph) -> frozenset[str]:
        """Return the links that lead to a widget."""
        return frozenset(
            slot.link
            for node in subgraph.graph.nodes
            for slot in node.inputs
            if slot.link is not None and self._is_widget(node, slot)
        )

    def _is_widget(self, node: UiNode, slot: NodeSlot) -> bool:
        inner = self._subgraphs.get(node.type)
        if inner is not None:
            return inner.input_numbers.get(slot.name) in self.of(inner)
        node_class = self._classes.get(node.type)
        if node_class is None:
            return bool(slot.widget)
        return slot.name in node_class.widget_names
