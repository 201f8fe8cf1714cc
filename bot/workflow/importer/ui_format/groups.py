"""Group nodes, the predecessor of subgraphs, read as if they were subgraphs.

The file stores the nodes of a group once, under its name. Each node that represents it has one list of values for all
of them, and the inputs and outputs that are not linked inside.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.workflow.importer.ui_format.ui_graph import (
    SUBGRAPH_INPUT,
    NodeSlot,
    Port,
    Subgraph,
    UiGraph,
    UiLink,
    UiNode,
    identity,
    index,
)
from bot.workflow.json_access import items, mapping

_PREFIXES = ("workflow>", "workflow/")

_Place = tuple[str, int]
"""A node of the group, and the number of one of its inputs or outputs."""


@dataclass(frozen=True, slots=True)
class _Group:
    nodes: tuple[UiNode, ...]
    fed: Mapping[_Place, _Place]
    """Inputs linked inside → the outputs that feed them."""
    free: tuple[_Place, ...]
    """Inputs that are not linked inside."""
    outputs: tuple[_Place, ...]
    """Outputs that nothing inside uses, or that are exposed anyway."""


class Groups:
    """The groups of a file. `places` returns how many saved values belong to a node."""

    def __init__(self, raw: Mapping[str, Any], places: Callable[[UiNode], int]) -> None:
        self._raw = raw
        self._places = places
        self._read: dict[str, _Group] = {}

    def find(self, host: UiNode) -> Subgraph | None:
        """Return the group that a node represents, as a subgraph with its values; None when there is none."""
        if not is_group(host):
            return None
        name = host.type[len(_PREFIXES[0]) :]
        raw = mapping(self._raw.get(name))
        if not raw:
            return None
        if name not in self._read:
            self._read[name] = _read(raw)
        return self._as_subgraph(self._read[name], host)

    def _as_subgraph(self, group: _Group, host: UiNode) -> Subgraph:
        links = {_link(target): UiLink(*origin) for target, origin in group.fed.items()}
        links |= {_link(target): UiLink(SUBGRAPH_INPUT, at) for at, target in enumerate(group.free)}
        links |= {_out(place): UiLink(*place) for place in group.outputs}
        nodes = tuple(map(_wired, self._with_values(group.nodes, items(host.values))))
        inputs = (Port(name, links=(_link(at),)) for name, at in zip(_names(group, host), group.free, strict=True))
        outputs = (Port(_out(place), links=(_out(place),)) for place in group.outputs)
        return Subgraph(host.type, UiGraph(nodes, links), tuple(inputs), tuple(outputs))

    def _with_values(self, nodes: tuple[UiNode, ...], values: list[Any]) -> Iterator[UiNode]:
        at = 0
        for node in nodes:
            end = at + self._count(node)
            yield replace(node, values=values[at:end]) if at < end <= len(values) else node
            at = end

    def _count(self, node: UiNode) -> int:
        """Return how many of the host's values belong to a node: at most as many as when the group was made."""
        places = self._places(node)
        return min(places, len(node.values)) if isinstance(node.values, list) else places


def is_group(node: UiNode) -> bool:
    return node.type.startswith(_PREFIXES)


def _read(raw: Mapping[str, Any]) -> _Group:
    # Nodes in a group have no ids, only their order.
    nodes = UiGraph.read(
        {"nodes": [{**mapping(node), "id": at} for at, node in enumerate(items(raw.get("nodes")))]}
    ).nodes
    fed = {target: origin for origin, target in _wires(raw)}
    shown = {_place(entry) for entry in map(items, items(raw.get("external")))}
    used = set(fed.values()) - shown
    return _Group(
        nodes=nodes,
        fed=fed,
        free=tuple(place for place in _inputs(nodes) if place not in fed),
        outputs=tuple(place for place in _outputs(nodes) if place not in used),
    )


def _wires(raw: Mapping[str, Any]) -> Iterator[tuple[_Place, _Place]]:
    for entry in map(items, items(raw.get("links"))):
        if entry and entry[0] is not None:  # else it comes from outside
            yield _place(entry), _place(entry[2:])


def _place(parts: list[Any]) -> _Place:
    node, at = (*parts, None, None)[:2]
    return identity(node), index(at)


def _inputs(nodes: tuple[UiNode, ...]) -> Iterator[_Place]:
    return ((node.id, at) for node in nodes for at in range(len(node.inputs)))


def _outputs(nodes: tuple[UiNode, ...]) -> Iterator[_Place]:
    return ((node.id, at) for node in nodes for at in range(node.outputs))


def _link(target: _Place) -> str:
    return f"{target[0]}.{target[1]}"


def _out(origin: _Place) -> str:
    return f"out.{_link(origin)}"


def _wired(node: UiNode) -> UiNode:
    return replace(node, inputs=tuple(replace(slot, link=_link((node.id, at))) for at, slot in enumerate(node.inputs)))


def _names(group: _Group, host: UiNode) -> Iterator[str]:
    """Yield the host's name for each free input: in the host's own order, if it has as many inputs.

    Widgets do not count: some versions list them among the inputs of the host, or of the nodes inside.
    """
    nodes = {node.id: node for node in group.nodes}
    slots = [nodes[node_id].inputs[at] for node_id, at in group.free]
    own = [slot.name for slot in host.inputs if not slot.widget]
    in_order = iter(own if len(own) == sum(not slot.widget for slot in slots) else ())
    taken: set[str] = set()
    for (node_id, _at), slot in zip(group.free, slots, strict=True):
        name = next(in_order, None) if not slot.widget else None
        if name is None:
            name = _free_name(nodes[node_id], slot, taken)
            taken.add(name)
        yield name


def _free_name(node: UiNode, slot: NodeSlot, taken: set[str]) -> str:
    """Return the input's name, prefixed with its node's if the name is taken."""
    return slot.name if slot.name not in taken else f"{node.title or node.type} {slot.name}"
