"""Bypasses nodes of a graph as ComfyUI's editor does: readers of a node get the node's own input instead.

Pure. Types come from the servers' definitions; for unknown nodes, inputs with similar names are taken to match.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.errors import InputError
from bot.i18n import _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph, is_link

_ALIKE: Sequence[frozenset[str]] = (
    frozenset({"image", "images", "pixels", "image1", "frames"}),
    frozenset({"samples", "latent", "latent_image", "latents"}),
    frozenset({"positive", "conditioning", "conditioning_to", "conditioning_1"}),
    frozenset({"negative", "conditioning_negative"}),
    frozenset({"mask", "masks"}),
    frozenset({"text", "string", "prompt"}),
)
"""Input names that take the same kind of value; any other name only matches itself."""

Link = list[Any]


def bypass(
    graph: JsonGraph, node_ids: Collection[str], definitions: Definitions, outputs: Collection[str] = ()
) -> None:
    """Remove nodes from `graph` in place, and with them all nodes that only fed these.

    A reader without a replacement loses the input or, if the input is required, is removed too. Raises `InputError`
    when no output is left: none of `outputs`, or else of the nodes without readers.
    """
    gone = _Leaving(graph, definitions)
    ends = frozenset(outputs) & graph.keys() or gone.ends()
    for node_id in node_ids:
        if node_id in graph:
            gone.bypass(node_id)
    gone.remove_unread()
    if not ends & graph.keys():
        raise InputError(_("This command produces nothing without that option. Please fill it in."))


class _Leaving:
    def __init__(self, graph: JsonGraph, definitions: Definitions) -> None:
        self._graph = graph
        self._definitions = definitions
        self._readers: dict[str, set[tuple[str, str]]] = {node_id: set() for node_id in graph}
        for node_id, node in graph.items():
            for name, value in node["inputs"].items():
                if is_link(value) and value[0] in graph:
                    self._readers[value[0]].add((node_id, name))
        self._unread = frozenset(node_id for node_id, readers in self._readers.items() if not readers)

    def ends(self) -> frozenset[str]:
        """Return the nodes that had no readers at first: in a sound graph, its outputs."""
        return self._unread

    def bypass(self, node_id: str) -> None:
        node, readers = self._graph[node_id], sorted(self._readers[node_id])
        for reader, name in readers:
            if reader not in self._graph:  # removed together with an earlier reader
                continue
            instead = self._instead(node, int(self._graph[reader]["inputs"][name][1]), name)
            if instead is None:
                self._take(reader, name)
            else:
                self._readers[node_id].discard((reader, name))
                self._graph[reader]["inputs"][name] = list(instead)
                self._readers[instead[0]].add((reader, name))
        if node_id in self._graph:
            self._remove(node_id)

    def remove_unread(self) -> None:
        """Remove nodes that only fed removed nodes."""
        idle = [each for each in self._graph if each not in self._unread and not self._readers[each]]
        while idle:
            node_id = idle.pop()
            fed_by = {value[0] for value in self._graph[node_id]["inputs"].values() if is_link(value)}
            self._remove(node_id)
            idle += [each for each in fed_by if each in self._graph and not self._readers[each]]

    def _remove(self, node_id: str) -> None:
        for name, value in self._graph.pop(node_id)["inputs"].items():
            if is_link(value) and value[0] in self._readers:
                self._readers[value[0]].discard((node_id, name))

    def _take(self, node_id: str, name: str) -> None:
        """Remove an input; if it is required, remove its node as well, and so on for the node's readers."""
        waiting = [(node_id, name)]
        while waiting:
            reader, lost = waiting.pop()
            if reader not in self._graph:
                continue
            link = self._graph[reader]["inputs"].pop(lost, None)
            if is_link(link) and link[0] in self._readers:
                self._readers[link[0]].discard((reader, lost))
            if self._is_needed(reader, lost):
                waiting += sorted(self._readers[reader])
                self._remove(reader)

    def _is_needed(self, node_id: str, name: str) -> bool:
        """Whether an input is required; all inputs of unknown nodes count as required."""
        definition = self._definitions.input(self._graph[node_id]["class_type"], name)
        return definition is None or definition.required

    def _instead(self, node: Mapping[str, Any], slot: int, name: str) -> Link | None:
        links = {key: value for key, value in node["inputs"].items() if is_link(value)}
        known = self._definitions.nodes.get(node["class_type"])
        if known is None or slot >= len(known.outputs):
            return _by_name(links, name)
        kind = known.outputs[slot]
        same = [key for key in links if key in known.inputs and _fits(kind, known.inputs[key].type)]
        before = sum(1 for each in known.outputs[:slot] if each == kind)
        if not same:
            return None
        return links[same[before]] if before < len(same) else links[same[0]]


def _fits(output: str, given: str) -> bool:
    return given in (output, "*") or output in given.split(",")


def _by_name(links: Mapping[str, Link], name: str) -> Link | None:
    group = next((names for names in _ALIKE if name in names), frozenset({name}))
    if name in links:
        return links[name]
    alike = [link for key, link in links.items() if key in group]
    if len(alike) == 1:
        return alike[0]
    return next(iter(links.values())) if len(links) == 1 and not alike else None
