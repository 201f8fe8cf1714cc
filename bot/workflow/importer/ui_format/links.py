"""Follows links to the node that really feeds an input: through reroutes, bypassed nodes, and in and out of subgraphs.

Everything is a loop with a budget, because links in a hostile file can be circular or very deep.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.i18n import _
from bot.workflow.importer.errors import ImportProblem, WorkflowImportError, named
from bot.workflow.importer.ui_format.classes import NodeClasses
from bot.workflow.importer.ui_format.scopes import SubgraphScope
from bot.workflow.importer.ui_format.ui_graph import (
    ANY,
    BYPASSED,
    MUTED,
    SUBGRAPH_INPUT,
    NodeSlot,
    UiGraph,
    UiLink,
    UiNode,
)
from bot.workflow.importer.ui_format.virtual import (
    GET_NODE,
    PASS_THROUGH,
    SET_NODE,
    VIRTUAL,
)
from bot.workflow.json_access import items, text

MAX_STEPS = 500_000


@dataclass(frozen=True, slots=True)
class Source:
    """An output of an exported node."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a subgraph's host holds for this input, instead of a node."""

    value: Any


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The question of what feeds a link of a scope, for an input of type `type`."""

    scope: SubgraphScope
    link: str
    type: str


Found = Source | Given | None
"""None: nothing feeds the input although it is linked."""


class Links:
    """Finds what feeds an input, and caches the answers."""

    def __init__(self, classes: NodeClasses) -> None:
        self._classes = classes
        self._known: dict[_Wanted, Found] = {}
        self._setters: dict[UiGraph, Mapping[str, UiNode]] = {}
        self._steps = 0

    def feeding(self, scope: SubgraphScope, slot: NodeSlot) -> Found:
        """Return what feeds a linked input. Raises `WorkflowImportError` for circular links."""
        trail: dict[_Wanted, None] = {}
        at: _Wanted | Found = _Wanted(scope, slot.link or "", slot.type)
        while isinstance(at, _Wanted):
            if at in self._known:
                at = self._known[at]
                break
            if at in trail:
                raise _circle(at)
            trail[at] = None
            self._spend(1)
            at = self._step(at)
        self._known.update(dict.fromkeys(trail, at))
        return at

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise WorkflowImportError(_("has links too tangled to follow. Remove reroutes and bypassed nodes."))

    def _step(self, at: _Wanted) -> "_Wanted | Found":
        link = at.scope.graph.links.get(at.link)
        if link is None or link.slot < 0:
            return None
        if link.origin == SUBGRAPH_INPUT and at.scope.subgraph is not None:
            return self._ascend(at.scope, link)
        node = at.scope.graph.by_id.get(link.origin)
        if node is None or node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            return self._around(at.scope, node, link.slot, at.type)
        inner = at.scope.inner.get(node)
        if inner is not None:
            return self._descend(inner, link.slot, at.type)
        if node.type in VIRTUAL and self._classes.get(node.type) is None:
            return self._through(at.scope, node, at.type)
        return Source(at.scope.id_of(node), link.slot)

    def _through(self, scope: SubgraphScope, node: UiNode, wanted: str) -> _Wanted | None:
        """Follow a link through a node that exists only in the editor."""
        found: tuple[SubgraphScope, UiNode] | None = (scope, node) if node.type in PASS_THROUGH else None
        if node.type == GET_NODE:
            found = self._setter(scope, _name(node))
        if found is None:
            return None
        where, passing = found
        return _next(where, passing.inputs[0] if passing.inputs else None, wanted)

    def _setter(self, scope: SubgraphScope | None, name: str) -> tuple[SubgraphScope, UiNode] | None:
        """Find the SetNode of that name in this scope or an enclosing one."""
        while scope is not None and name:
            self._spend(1)
            if scope.graph not in self._setters:
                self._setters[scope.graph] = _setters(scope.graph)
            node = self._setters[scope.graph].get(name)
            if node is not None:
                return None if node.mode == MUTED else (scope, node)
            scope = scope.parent
        return None

    def _ascend(self, scope: SubgraphScope, link: UiLink) -> "_Wanted | Found":
        """Leave subgraphs by their inputs: to the outermost host's link, or else to a value that a host holds."""
        found: Found = None
        while scope.subgraph is not None and scope.parent is not None and link.origin == SUBGRAPH_INPUT:
            self._spend(1)
            if not 0 <= link.slot < len(scope.subgraph.inputs):
                return None
            if link.slot in scope.given:
                found = Given(scope.given[link.slot])
            slot = scope.host_slots.get(scope.subgraph.inputs[link.slot].name)
            if slot is None or slot.link is None:
                return found
            scope = scope.parent
            above = scope.graph.links.get(slot.link)
            if above is None or above.origin != SUBGRAPH_INPUT:
                return _Wanted(scope, slot.link, slot.type)
            link = above
        return None

    def _descend(self, inner: SubgraphScope, output: int, wanted: str) -> _Wanted | None:
        """Enter a subgraph by one of its outputs."""
        ports = inner.subgraph.outputs if inner.subgraph else ()
        known = ports[output].links if output < len(ports) else ()
        self._spend(len(known))
        link = next((each for each in known if each in inner.graph.links), None)
        return _Wanted(inner, link, wanted) if link is not None else None

    def _around(self, scope: SubgraphScope, node: UiNode, output: int, wanted: str) -> "_Wanted | None":
        """Pass a bypassed node by the input of the same number if its type fits, else by the first that fits."""
        slots = self._slots(node)
        self._spend(len(slots))
        same = [slots[output]] if output < len(slots) else []
        chosen = next((slot for slot in (*same, *slots) if fits(slot.type, wanted)), None)
        return _next(scope, chosen, chosen.type) if chosen else None

    def _slots(self, node: UiNode) -> tuple[NodeSlot, ...]:
        """Return the inputs that the editor shows: the saved ones, then those that old files omit."""
        node_class = self._classes.get(node.type)
        if node_class is None:
            return node.inputs
        saved = {slot.name for slot in node.inputs}
        return (*node.inputs, *(NodeSlot(name, kind) for name, kind in node_class.slots.items() if name not in saved))


def fits(one: str, other: str) -> bool:
    """Whether an output of one type can feed an input of the other; types can be unions ("INT,FLOAT")."""
    if ANY in (one, other):
        return True
    return not set(one.casefold().split(",")).isdisjoint(other.casefold().split(","))


def _setters(graph: UiGraph) -> Mapping[str, UiNode]:
    return {_name(node): node for node in reversed(graph.nodes) if node.type == SET_NODE}


def _name(node: UiNode) -> str:
    return text(next(iter(items(node.values)), None))


def _next(scope: SubgraphScope, slot: NodeSlot | None, wanted: str) -> _Wanted | None:
    return _Wanted(scope, slot.link, wanted) if slot and slot.link is not None else None


def _circle(at: _Wanted) -> WorkflowImportError:
    link = at.scope.graph.links[at.link]
    node = at.scope.graph.by_id.get(link.origin)
    if node is None:
        return WorkflowImportError(_("has links in a circle."))
    node_id = at.scope.id_of(node)
    reason = _(
        "{node} is part of a circle of links. Remove one of them.",
        node=named(node.title, node_id, node.type),
    )
    return WorkflowImportError(ImportProblem(reason, node_id, node.type))
