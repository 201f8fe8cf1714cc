"""The graph: ComfyUI's API-format JSON, validated once and immutable afterwards.

Whether its node classes exist is checked against a server in `bot.workflow.graph.server_check`.
"""

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn, Self, TypeGuard, cast

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.text_format import shown

MAX_BYTES = 8 * 1024 * 1024
"""The largest official templates have about 100 kB; 8 MiB is a mistake or an attack."""

MAX_DEPTH = 64
"""Nesting of values; copying and encoding recurse, so the limit is far below Python's own."""

JsonGraph = dict[str, dict[str, Any]]
"""A graph as posted to ComfyUI: node id → {"class_type", "inputs", "_meta"?}."""


@dataclass(frozen=True, slots=True)
class Target:
    """One input of one node: where a value goes."""

    node_id: str
    input_name: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link from an input to output `slot` of another node."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """One node. Never change `inputs`: all users of the graph share them."""

    id: str
    class_type: str
    title: str
    """The author's title in ComfyUI; the class name if there is none."""
    inputs: Mapping[str, Any]
    _links: tuple[tuple[str, Link], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        links = ((name, Link(value[0], int(value[1]))) for name, value in self.inputs.items() if is_link(value))
        object.__setattr__(self, "_links", tuple(links))

    def links(self) -> Sequence[tuple[str, Link]]:
        """Return the linked inputs by name."""
        return self._links


@dataclass(frozen=True, slots=True)
class Graph:
    """All nodes by id. Ids are opaque: those of subgraph nodes look like "54:73"."""

    nodes: Mapping[str, Node]
    _raw: JsonGraph = field(repr=False)
    _readers: dict[str, list[tuple[str, str]]] = field(
        default_factory=dict[str, list[tuple[str, str]]], repr=False, compare=False
    )

    @classmethod
    def parse(cls, data: bytes | str, source: str) -> Self:
        """Read an API-format export. Raises `WorkflowError`, whose message names the file `source`."""
        try:
            raw = _as_nodes(decode(data))
            nodes = {node_id: _node(node_id, entry) for node_id, entry in raw.items()}
            _require_linked_nodes(nodes)
        except RefusedValueError as refusal:
            raise WorkflowError(source, refusal.reason) from refusal
        return cls(MappingProxyType(nodes), cast("JsonGraph", raw))

    def readers(self, node_id: str) -> Sequence[tuple[str, str]]:
        """Return the inputs, as (node id, name), that a node's outputs feed."""
        if not self._readers:
            for node in self.nodes.values():
                self._readers.setdefault(node.id, [])
                for name, link in node.links():
                    self._readers.setdefault(link.node_id, []).append((node.id, name))
        return self._readers.get(node_id, ())

    def to_json(self) -> JsonGraph:
        """Return a copy that the caller may change."""
        return copy.deepcopy(self._raw)


def is_link(value: object) -> TypeGuard[list[Any]]:
    """Whether an input's value is a link to another node; the same test as ComfyUI's."""
    if not isinstance(value, list):
        return False
    items = cast("list[object]", value)
    return len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], int | float)


def decode(data: bytes | str) -> object:
    """Return the JSON value of a file, which is safe to copy and to post. Raises `RefusedValueError`."""
    if len(data) > MAX_BYTES:
        raise RefusedValueError(_("is too large. A workflow can have up to {limit} MiB.", limit=MAX_BYTES // 2**20))
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    except UnicodeDecodeError as err:
        raise RefusedValueError(_("is not UTF-8 text. Export the workflow from ComfyUI again.")) from err
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as err:
        raise RefusedValueError(_too_deep()) from err
    except json.JSONDecodeError as err:
        raise RefusedValueError(
            _("is not valid JSON (line {line}, column {column}).", line=err.lineno, column=err.colno)
        ) from err
    except RefusedValueError:
        raise
    except ValueError as err:  # a number with more digits than Python converts
        raise RefusedValueError(_("contains a number that cannot be read.")) from err
    require_plain(value)
    return cast("object", value)


def _refuse_constant(name: str) -> NoReturn:
    raise RefusedValueError(_("contains {name}, which ComfyUI doesn't accept as a number.", name=name))


def _too_deep() -> Message:
    return _("is nested too deeply to be a workflow.")


def require_plain(value: object) -> None:
    """Check nesting, texts and numbers without recursion. Raises `RefusedValueError` for what would break a copy."""
    level: list[object] = [value]
    for _depth in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, str):
                if not _is_unicode(item):
                    raise RefusedValueError(_("contains text that is not valid Unicode."))
            elif isinstance(item, dict):
                entries = cast("dict[str, object]", item)
                below += entries
                below += entries.values()
            elif isinstance(item, list):
                below += cast("list[object]", item)
            elif isinstance(item, float) and not math.isfinite(item):
                raise RefusedValueError(_("contains a number that is too large."))
        if not below:
            return
        level = below
    raise RefusedValueError(_too_deep())


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_nodes(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedValueError(_("is not a workflow: it must be one JSON object. {advice}", advice=_export_advice()))
    entries = cast("dict[str, Any]", value)
    if _is_ui_format(entries) or any(_is_ui_format(part) for part in entries.values()):
        raise RefusedValueError(
            _("is a UI-format workflow, which only ComfyUI's editor can read. {advice}", advice=_export_advice())
        )
    if not entries:
        raise RefusedValueError(_("contains no nodes. {advice}", advice=_export_advice()))
    if isinstance(entries.get("prompt"), dict) and "class_type" not in entries["prompt"]:
        raise RefusedValueError(_("is a complete API request. Keep only the object under “prompt”."))
    return entries


def _is_ui_format(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    entries = cast("dict[str, object]", value)
    return isinstance(entries.get("nodes"), list) and not entries.keys().isdisjoint(
        ("links", "version", "last_node_id", "revision", "definitions")
    )


def _export_advice() -> Message:
    return _(
        "In ComfyUI, use Workflow → Export (API)."
        " In older versions, enable “Dev mode options” in the settings and use “Save (API Format)”."
    )


def _node(node_id: str, entry: object) -> Node:
    if not isinstance(entry, dict):
        raise RefusedValueError(
            _("node “{node}” is not an object. {advice}", node=shown(node_id), advice=_export_advice())
        )
    parts = cast("dict[str, Any]", entry)
    class_type = parts.get("class_type")
    if not isinstance(class_type, str) or not class_type:
        raise RefusedValueError(
            _("node “{node}” has no class_type. {advice}", node=shown(node_id), advice=_export_advice())
        )
    inputs = parts.get("inputs")
    if not isinstance(inputs, dict):
        raise RefusedValueError(
            _("node “{node}” ({class_type}) has no inputs object.", node=shown(node_id), class_type=shown(class_type))
        )
    return Node(node_id, class_type, _title(parts, class_type), MappingProxyType(cast("dict[str, Any]", inputs)))


def _title(parts: Mapping[str, Any], class_type: str) -> str:
    meta = parts.get("_meta")
    title = cast("dict[str, object]", meta).get("title") if isinstance(meta, dict) else None
    return title.strip() if isinstance(title, str) and title.strip() else class_type


def _require_linked_nodes(nodes: Mapping[str, Node]) -> None:
    for node in nodes.values():
        for name, link in node.links():
            if link.node_id not in nodes:
                raise RefusedValueError(
                    _(
                        "“{input}” of “{node}” (#{id}) is linked to node #{other}, which is not in the file."
                        " Export the workflow again.",
                        input=shown(name),
                        node=shown(node.title),
                        id=shown(node.id),
                        other=shown(link.node_id),
                    )
                )
