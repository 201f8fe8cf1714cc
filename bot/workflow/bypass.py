"""Leaves nodes out of a graph, as ComfyUI's editor does: what a node takes goes on to those who read it.

Pure. Types come from what servers say; where nobody said, inputs that are called alike are taken for alike.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.errors import InputError
from bot.i18n import _
from bot.workflow.definitions import Definitions
from bot.workflow.execution import JsonGraph
from bot.workflow.graph import is_link

_ALIKE: Sequence[frozenset[str]] = (
    frozenset({"image", "images", "pixels", "image1", "frames"}),
    frozenset({"samples", "latent", "latent_image", "latents"}),
    frozenset({"positive", "conditioning", "conditioning_to", "conditioning_1"}),
    frozenset({"negative", "conditioning_negative"}),
    frozenset({"mask", "masks"}),
    frozenset({"text", "string", "prompt"}),
)
"""Names of inputs that take the same; every other name stands for itself."""

Link = list[Any]


def bypass(
    graph: JsonGraph, node_ids: Collection[str], definitions: Definitions, outputs: Collection[str] = ()
) -> None:
    """Take nodes out of `graph`, which is changed, and with them what nobody reads any more.

    A reader that gets nothing instead loses the input, or goes, too, when it cannot do without. Raises `InputError`
    when nothing is left of what would be shown: the nodes `outputs`, or those that nobody reads.
    """
    gone = _Leaving(graph, definitions)
    ends = frozenset(outputs) & graph.keys() or gone.ends()
    for node_id in node_ids:
        if node_id in graph:
            gone.bypass(node_id)
    gone.sweep()
    if not ends & graph.keys():
        raise InputError(_("Without that option nothing is left to show. Please give it."))


class _Leaving:
    """A graph from which nodes go."""

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
        """Return the nodes that nobody read at first: in a sound graph, those that show something."""
        return self._unread

    def bypass(self, node_id: str) -> None:
        """Let the readers of a node have what it takes itself."""
        node, readers = self._graph[node_id], sorted(self._readers[node_id])
        for reader, name in readers:
            if reader not in self._graph:  # it went with an earlier one
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

    def sweep(self) -> None:
        """Take out what fed only nodes that are gone."""
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
        """Take an input from a node; if it cannot do without, take the node, and so on."""
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
        """Whether a node needs an input; one of which nobody knows needs them all."""
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
