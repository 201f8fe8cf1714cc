"""How the nodes of a graph are connected: what reads a node, what it depends on, where a value is stored.

Knows no node class by name. Walks are loops, because graphs can be thousands of nodes deep.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeGuard

from bot.workflow.graph.graph import (
    Graph,
    Link,
    Node,
    Target,
    is_link,
)

MAX_HOPS = 16
"""Consecutive nodes that only pass a value on."""

_HOLDERS = ("value", "default_value", "default", "text", "string", "number", "int", "float", "Number")
"""Inputs in which nodes that hold one value store it."""

_SEEDS = ("seed", "noise_seed")

Wanted = Callable[[object], bool]


def is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _is_decided(value: object) -> bool:
    return isinstance(value, bool)


class GraphWiring:
    """The links of one graph, in both directions."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._readers: dict[str, list[tuple[Target, int]]] = {}
        self._titles: dict[str, int] = {}
        for node in graph.nodes.values():
            self._titles[node.title] = self._titles.get(node.title, 0) + 1
            for name, link in node.links():
                self._readers.setdefault(link.node_id, []).append((Target(node.id, name), link.slot))
        self._order = {node_id: at for at, node_id in enumerate(self._sorted())}

    def readers(self, node_id: str) -> list[tuple[Target, int]]:
        """Return the inputs that a node feeds, each with the number of the output that it takes."""
        return self._readers.get(node_id, [])

    def value(self, target: Target) -> Any:
        return self.graph.nodes[target.node_id].inputs[target.input_name]

    def in_order(self, node_ids: Iterable[str]) -> list[Node]:
        """Return nodes so that each comes after those that feed it."""
        return [self.graph.nodes[each] for each in sorted(set(node_ids), key=self._order.__getitem__)]

    def before(self, starts: Iterable[str]) -> set[str]:
        """Return the nodes that `starts` depend on, including `starts`."""
        return self._spread(starts, lambda node_id: (link.node_id for _name, link in self._links(node_id)))

    def literal(self, node_id: str, input_name: str, wanted: Wanted) -> Target | None:
        """Return where an input's value is stored: there, or in a value node that feeds it; None elsewhere."""
        for _hop in range(MAX_HOPS):
            value = self.graph.nodes[node_id].inputs.get(input_name)
            if not is_link(value):
                return Target(node_id, input_name) if wanted(value) else None
            held = self._held(self.graph.nodes[value[0]], input_name, wanted)
            if held is None:
                return None
            node_id, input_name = value[0], held
        return None

    def branch(self, node: Node) -> str | None:
        """Return the input that a switch passes on, if the graph fixes which; None for other nodes."""
        if "on_true" not in node.inputs and "on_false" not in node.inputs:
            return None
        target = self.literal(node.id, "switch", _is_decided) if "switch" in node.inputs else None
        name = "on_true" if target is not None and self.value(target) else "on_false"
        return name if target is not None and name in node.inputs else None

    def address(self, target: Target) -> str:
        """Return how a manifest names an input: by the node's title if it is unique, else by its id."""
        return f"{self.selector(target.node_id)}.{target.input_name}"

    def selector(self, node_id: str) -> str:
        title = self.graph.nodes[node_id].title
        # A dot would make the address ambiguous, and a leading “#” marks an id
        is_plain = "." not in title and not title.startswith("#") and title.isprintable() and len(title) <= 60
        return title if is_plain and self._titles[title] == 1 else f"#{node_id}"

    def _held(self, node: Node, asked: str, wanted: Wanted) -> str | None:
        """Return the input in which a node stores the one value that it passes on."""
        free = [name for name, value in node.inputs.items() if is_link(value) or wanted(value)]
        branch = self.branch(node)
        if branch is not None:
            return branch if branch in free else None
        aliases = _SEEDS if asked in _SEEDS else (asked,)
        for name in (*aliases, *_HOLDERS):
            if name in free:
                return name
        if len(node.inputs) != 1:
            return None
        is_reroute = "reroute" in node.class_type.casefold()
        return next((name for name in free if is_reroute or not is_link(node.inputs[name])), None)

    def _links(self, node_id: str) -> Sequence[tuple[str, Link]]:
        return self.graph.nodes[node_id].links()

    @staticmethod
    def _spread(starts: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
        seen: set[str] = set(starts)
        waiting = list(seen)
        while waiting:
            for node_id in step(waiting.pop()):
                if node_id not in seen:
                    seen.add(node_id)
                    waiting.append(node_id)
        return seen

    def _sorted(self) -> Iterator[str]:
        """Yield every node after those that feed it; nodes in a circle, which servers reject, come at the end."""
        missing = {node_id: {link.node_id for _name, link in self._links(node_id)} for node_id in self.graph.nodes}
        ready = deque(node_id for node_id, sources in missing.items() if not sources)
        while ready:
            node_id = ready.popleft()
            missing.pop(node_id)
            yield node_id
            for target, _slot in self.readers(node_id):
                sources = missing.get(target.node_id)
                if sources and node_id in sources:
                    sources.discard(node_id)
                    if not sources:
                        ready.append(target.node_id)
        yield from missing
