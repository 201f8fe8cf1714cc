"""Lays out subgraphs: one scope for the workflow itself, and one for each node that represents a subgraph.

A scope knows the exported ids of its nodes (`host:inner`), the values that its host holds, and its inner scopes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from bot.i18n import _
from bot.workflow.importer.errors import ImportProblem, WorkflowImportError, named
from bot.workflow.importer.ui_format.groups import Groups, is_group
from bot.workflow.importer.ui_format.promoted import Promotions
from bot.workflow.importer.ui_format.ui_graph import (
    BYPASSED,
    MAX_NESTING,
    MAX_NODES,
    MAX_PARTS,
    MUTED,
    NodeSlot,
    Subgraph,
    UiGraph,
    UiNode,
    UiWorkflow,
    identity,
    too_many_nodes,
)
from bot.workflow.json_access import items, text

_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(eq=False)
class SubgraphScope:
    """The nodes of one graph in one place of the workflow."""

    graph: UiGraph
    prefix: str = ""
    parent: "SubgraphScope | None" = None
    host: UiNode | None = None
    subgraph: Subgraph | None = None
    host_slots: Mapping[str, NodeSlot] = field(default_factory=dict[str, NodeSlot])
    given: dict[int, Any] = field(default_factory=dict[int, Any])
    """Values that the host holds for inputs of the subgraph, by input number."""
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Values that the host holds for inner widgets, by node id and widget."""
    inner: dict[UiNode, "SubgraphScope"] = field(default_factory=dict[UiNode, "SubgraphScope"])
    is_shown: bool = True
    """Whether its nodes are exported."""
    renamed: dict[UiNode, str] = field(default_factory=dict[UiNode, str])
    """New ids of nodes whose own was taken."""

    def id_of(self, node: UiNode) -> str:
        """Return the id of a node in the exported graph."""
        return self.renamed.get(node) or self.prefix + node.id

    def walk(self) -> Iterator[tuple["SubgraphScope", UiNode]]:
        """Yield every node that can be exported, with its scope; hosts are replaced by their content."""
        for node in self.graph.nodes:
            held = self.inner.get(node)
            if held is None:
                yield self, node
            elif held.is_shown:
                yield from held.walk()


class Layout:
    """Lays out a workflow. Raises `WorkflowImportError` for too many nodes, or a subgraph that contains itself."""

    def __init__(self, workflow: UiWorkflow, promotions: Promotions, groups: Groups) -> None:
        self._workflow = workflow
        self._promotions = promotions
        self._groups = groups
        self._nodes = 0
        self._parts = 0

    def lay_out(self) -> SubgraphScope:
        root = self._filled(SubgraphScope(self._workflow.graph), depth=0)
        _rename_twins(root)
        return root

    def _filled(self, scope: SubgraphScope, depth: int) -> SubgraphScope:
        self._count(scope.graph)
        for node in scope.graph.nodes:
            subgraph = self._workflow.subgraphs.get(node.type) or self._groups.find(node)
            if subgraph is None:
                continue
            if depth >= MAX_NESTING:
                raise _too_deep(scope, node)
            if is_group(node) and node.mode == BYPASSED:
                raise _bypassed_group(scope, node)
            scope.inner[node] = self._filled(self._scope(scope, node, subgraph), depth + 1)
        return scope

    def _count(self, graph: UiGraph) -> None:
        self._nodes += len(graph.nodes)
        self._parts += sum(len(node.inputs) + len(node.values or ()) for node in graph.nodes)
        if self._nodes > MAX_NODES:
            raise too_many_nodes()
        if self._parts > MAX_PARTS:
            raise WorkflowImportError(_("has more than {limit} inputs and values.", limit=MAX_PARTS))

    def _scope(self, parent: SubgraphScope, host: UiNode, subgraph: Subgraph) -> SubgraphScope:
        scope = SubgraphScope(
            graph=subgraph.graph,
            prefix=f"{parent.id_of(host)}:",
            parent=parent,
            host=host,
            subgraph=subgraph,
            host_slots={slot.name: slot for slot in reversed(host.inputs)},
            # The editor drops the content of muted or bypassed hosts at the top level only; deeper ones run.
            is_shown=parent.host is not None or host.mode not in (MUTED, BYPASSED),
        )
        if not is_group(host):
            self._give(scope, host, subgraph)
        for widget, value in parent.overrides.get(host.id, {}).items():
            if widget in subgraph.input_numbers:
                scope.given[subgraph.input_numbers[widget]] = value
        return scope

    def _give(self, scope: SubgraphScope, host: UiNode, subgraph: Subgraph) -> None:
        """Pass the host's values in: one per promoted widget, or per proxy if the file has those."""
        values = items(host.values)
        proxies = items(host.properties.get("proxyWidgets"))
        if not proxies:
            scope.given.update(zip(self._promotions.of(subgraph), values, strict=False))
            return
        for proxy, value in zip(map(items, proxies), values, strict=False):
            node_id, widget = (*proxy, None, None)[:2]
            if identity(node_id) != "-1":
                scope.overrides.setdefault(identity(node_id), {})[text(widget)] = value
            elif text(widget) in subgraph.input_numbers:
                scope.given[subgraph.input_numbers[text(widget)]] = value


def _rename_twins(root: SubgraphScope) -> None:
    """Give each node whose id is taken the next free number, as the editor does."""
    taken: set[str] = set()
    free = count(1 + max((int(node.id) for node in root.graph.nodes if _NUMBER.fullmatch(node.id)), default=0))
    for scope, node in list(root.walk()):
        if scope.id_of(node) in taken:
            scope.renamed[node] = next(name for name in map(str, free) if name not in taken)
        taken.add(scope.id_of(node))


def _too_deep(scope: SubgraphScope, node: UiNode) -> WorkflowImportError:
    whom = named(node.title or "subgraph", scope.id_of(node), node.type)
    reason = _(
        "{node} is nested more than {limit} levels deep, or contains itself. Remove it.",
        node=whom,
        limit=MAX_NESTING,
    )
    return WorkflowImportError(ImportProblem(reason, scope.id_of(node), node.type))


def _bypassed_group(scope: SubgraphScope, node: UiNode) -> WorkflowImportError:
    reason = _(
        "{node} is a bypassed group node, which ComfyUI versions read differently."
        " Open the workflow in ComfyUI, turn it into a subgraph or remove it, and save again.",
        node=named(node.title, scope.id_of(node), node.type),
    )
    return WorkflowImportError(ImportProblem(reason, scope.id_of(node), node.type))
