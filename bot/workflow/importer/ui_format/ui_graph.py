"""Parses a workflow saved by ComfyUI's editor without trusting it: nodes, slots, links, subgraphs.

Checks shapes only, not meaning. Parts of an unknown shape are skipped rather than rejected, as in the editor. Ids come
as numbers or strings, links as lists or objects; once parsed, all ids are strings.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, cast

from bot.i18n import _
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.json_access import items, mapping, text

MAX_NODES = 5000
"""In a file, and in the exported graph: nested subgraphs multiply."""

MAX_PARTS = 200_000
"""Inputs and saved values of all exported nodes together; real nodes have about ten each."""

MAX_SUBGRAPHS = 1000

MAX_NESTING = 32
"""Levels of nested subgraphs; this also stops a subgraph that contains itself."""

SUBGRAPH_INPUT = "-10"
"""The origin of links that come from the inputs of their subgraph."""

ANY = "*"

LIVE, MUTED, BYPASSED = 0, 2, 4


@dataclass(frozen=True, slots=True)
class NodeSlot:
    """An input of a node; `link` is the id of the link that feeds it."""

    name: str
    type: str = ANY
    link: str | None = None
    widget: str = ""
    """The name of the widget that provides the value while nothing is linked; empty if there is none."""


@dataclass(frozen=True, slots=True)
class UiLink:
    """Output `slot` of the node `origin` feeds the inputs that name this link."""

    origin: str
    slot: int


@dataclass(frozen=True, eq=False, slots=True)
class UiNode:
    """One node. `values` is None if none were saved."""

    id: str
    type: str
    mode: int = LIVE
    title: str = ""
    inputs: tuple[NodeSlot, ...] = ()
    outputs: int = 0
    """Number of saved outputs."""
    values: list[Any] | Mapping[str, Any] | None = None
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a subgraph; `links` are the ids of the inner links that begin or end there."""

    name: str
    type: str = ANY
    links: tuple[str, ...] = ()


_NOW_CALLED: Mapping[str, str] = {
    "ConditioningAverage ": "ConditioningAverage",
    "T2IAdapterLoader": "ControlNetLoader",
    "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
}
"""Classes that have other names in files of 2023; the editor maps them too."""


@dataclass(frozen=True, eq=False)
class UiGraph:
    """The nodes and links of the workflow itself, or of one subgraph."""

    nodes: tuple[UiNode, ...] = ()
    links: Mapping[str, UiLink] = field(default_factory=dict[str, UiLink])
    by_id: Mapping[str, UiNode] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {node.id: node for node in reversed(self.nodes)})  # the first one wins

    @classmethod
    def read(cls, value: object) -> Self:
        """Parse `nodes` and `links` of a JSON object."""
        raw = mapping(value)
        entries = items(raw.get("nodes"))
        if len(entries) > MAX_NODES:
            raise too_many_nodes()
        return cls(tuple(_nodes(entries)), dict(_links(raw.get("links"))))


@dataclass(frozen=True, eq=False)
class Subgraph:
    """The definition of a subgraph, which nodes of type `id` represent."""

    id: str
    graph: UiGraph
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()

    @cached_property
    def input_numbers(self) -> Mapping[str, int]:
        """The number of each input by name; the first one wins."""
        return {port.name: at for at, port in reversed(list(enumerate(self.inputs)))}


@dataclass(frozen=True, eq=False)
class UiWorkflow:
    graph: UiGraph
    subgraphs: Mapping[str, Subgraph]
    groups: Mapping[str, Any]
    """`extra.groupNodes`, not parsed yet: group nodes, the predecessor of subgraphs, by name."""

    @classmethod
    def read(cls, document: object) -> Self:
        """Parse a decoded file. Raises `WorkflowImportError` when it has too many parts."""
        raw = mapping(document)
        definitions = items(mapping(raw.get("definitions")).get("subgraphs"))
        if len(definitions) > MAX_SUBGRAPHS:
            raise WorkflowImportError(
                _("has {count} subgraphs; the limit is {limit}.", count=len(definitions), limit=MAX_SUBGRAPHS)
            )
        subgraphs = {each.id: each for each in map(_subgraph, reversed(definitions)) if each.id}
        return cls(UiGraph.read(raw), subgraphs, mapping(mapping(raw.get("extra")).get("groupNodes")))


def too_many_nodes() -> WorkflowImportError:
    return WorkflowImportError(_("has more than {limit} nodes.", limit=MAX_NODES))


def identity(value: object) -> str:
    """Return an id as a string; empty if the value cannot be one."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return text(value)


def index(value: object) -> int:
    """Return a slot's number, or -1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else -1


def _slot(value: object) -> NodeSlot:
    raw = mapping(value)
    widget = text(mapping(raw.get("widget")).get("name"))
    return NodeSlot(text(raw.get("name")), _type_name(raw.get("type")), identity(raw.get("link")) or None, widget)


def _type_name(value: object) -> str:
    """Return a slot's type; old files have 0, -1 or nothing for "any", and list the choices of a combo."""
    return "COMBO" if isinstance(value, list) else text(value) or ANY


def _nodes(entries: Iterable[object]) -> Iterator[UiNode]:
    for entry in entries:
        raw = mapping(entry)
        node_id, kind = identity(raw.get("id")), text(raw.get("type"))
        kind = _NOW_CALLED.get(kind, kind)
        if not node_id or not kind:
            continue
        yield UiNode(
            id=node_id,
            type=kind,
            mode=index(raw.get("mode")),
            title=text(raw.get("title")).strip(),
            inputs=tuple(map(_slot, items(raw.get("inputs")))),
            outputs=len(items(raw.get("outputs"))),
            values=_values(raw.get("widgets_values")),
            properties=mapping(raw.get("properties")),
        )


def _values(value: object) -> list[Any] | Mapping[str, Any] | None:
    if isinstance(value, list):
        return items(cast("object", value))
    return mapping(cast("object", value)) if isinstance(value, dict) else None


def _links(value: object) -> Iterator[tuple[str, UiLink]]:
    for entry in items(value):
        raw = mapping(entry)
        listed = (raw.get("id"), raw.get("origin_id"), raw.get("origin_slot")) if raw else items(entry)
        link, origin, slot = (*listed, None, None, None)[:3]
        if identity(link) and identity(origin):
            yield identity(link), UiLink(identity(origin), index(slot))


def _subgraph(value: object) -> Subgraph:
    raw = mapping(value)
    return Subgraph(text(raw.get("id")), UiGraph.read(raw), _ports(raw.get("inputs")), _ports(raw.get("outputs")))


def _ports(value: object) -> tuple[Port, ...]:
    raws = map(mapping, items(value))
    return tuple(
        Port(
            text(raw.get("name")),
            _type_name(raw.get("type")),
            tuple(identity(link) for link in items(raw.get("linkIds")) if identity(link)),
        )
        for raw in raws
    )
