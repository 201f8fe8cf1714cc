"""Checks of a graph that need no server. Pure, and without recursion, because graphs can be deep."""

import re
from collections import deque
from collections.abc import Collection, Iterator

from bot.i18n import Message, _
from bot.workflow.graph.graph import Graph, Target
from bot.workflow.text_format import listed, shown


def circles(graph: Graph, outputs: Collection[str] = ()) -> Iterator[Message]:
    """Report a cycle among the needed nodes, which a server cannot run.

    Needed are the nodes that feed `outputs`, or else a node without readers. Other cycles are never run.
    """
    ends = list(outputs) or [node_id for node_id in graph.nodes if not graph.readers(node_id)]
    rest = _unordered(graph, live(graph, ends) if ends else graph.nodes)
    if rest:
        around = _around(graph, rest)
        names = listed((f"{graph.nodes[node_id].title} (#{node_id})" for node_id in around), 8)
        yield _("its nodes form a cycle: {nodes}. Remove one of these links in ComfyUI.", nodes=names)


def live(graph: Graph, ends: Collection[str]) -> set[str]:
    """Return `ends` and all nodes that feed them."""
    found, waiting = set(ends), list(ends)
    while waiting:
        for _name, link in graph.nodes[waiting.pop()].links():
            if link.node_id not in found:
                found.add(link.node_id)
                waiting.append(link.node_id)
    return found


def _unordered(graph: Graph, nodes: Collection[str]) -> set[str]:
    """Return the nodes in a cycle or fed by one."""
    left = {node_id: {link.node_id for _name, link in graph.nodes[node_id].links()} for node_id in nodes}
    ready = deque(node_id for node_id, sources in left.items() if not sources)
    while ready:
        node_id = ready.popleft()
        del left[node_id]
        for reader, _name in graph.readers(node_id):
            if reader in left and node_id in left[reader]:
                left[reader].discard(node_id)
                if not left[reader]:
                    ready.append(reader)
    return set(left)


def _around(graph: Graph, rest: Collection[str]) -> list[str]:
    """Return one cycle: follow the links backwards within `rest`, where each node has a source, until one repeats."""
    at = min(rest)
    way: dict[str, int] = {}
    while at not in way:
        way[at] = len(way)
        at = next(link.node_id for _name, link in graph.nodes[at].links() if link.node_id in rest)
    return list(reversed(list(way)[way[at] :]))


_SHOWS = re.compile(r"save|preview|show|display|combine|output|export|write|upload|send", re.IGNORECASE)
"""Class names of output nodes, as far as can be told without a server."""


def idle_outputs(graph: Graph, outputs: Collection[str]) -> Iterator[Message]:
    """Report named outputs that save nothing, as far as can be told without a server."""
    for node_id in outputs:
        node = graph.nodes[node_id]
        if graph.readers(node_id) and not _SHOWS.search(node.class_type):
            ends = listed((each.title for each in graph.nodes.values() if not graph.readers(each.id)), 5)
            yield _(
                "outputs: “{node}” only passes its result on and saves nothing. Name one of: {ends}.",
                node=shown(node.title),
                ends=ends,
            )


def idle_inputs(graph: Graph, outputs: Collection[str], targets: Collection[Target]) -> Iterator[Message]:
    """Report inputs that do not feed any output."""
    needed = live(graph, outputs) if outputs else set(graph.nodes)
    for node_id in dict.fromkeys(target.node_id for target in targets if target.node_id not in needed):
        yield _(
            "“{node}” (#{id}) doesn't feed any output, so this has no effect. Bind it elsewhere, or add an output.",
            node=shown(graph.nodes[node_id].title),
            id=shown(node_id),
        )
