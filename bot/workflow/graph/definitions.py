"""The node classes of a server, with inputs, choices and limits, as read from its `/object_info`.

A frozen snapshot of about 400 classes (330 kB of JSON), which the adapter refreshes from time to time.
Custom nodes contribute their own parts, so anything with an unknown shape is left out.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, cast

from bot.workflow.json_access import (
    items,
    mapping,
    text,
    texts,
)

Number = int | float


@dataclass(frozen=True, slots=True)
class InputDefinition:
    type: str
    """"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", or the type of a link ("MODEL", …)."""
    required: bool = True
    choices: tuple[str, ...] = ()
    minimum: Number | None = None
    maximum: Number | None = None
    default: Any = None
    is_open: bool = False
    """Whether values outside `choices` can be valid: dynamic inputs, and lists that the browser fills."""

    @property
    def is_closed(self) -> bool:
        """Whether the server refuses values outside `choices`, even if `choices` is empty."""
        return self.type == "COMBO" and not self.is_open


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    class_type: str
    inputs: Mapping[str, InputDefinition] = field(default_factory=dict[str, InputDefinition])
    is_output: bool = False
    outputs: tuple[str, ...] = ()
    """Output types by slot; empty if unknown."""
    pack: str = ""
    """The node pack that provides the class; empty for ComfyUI's own classes, and if unknown."""


@dataclass(frozen=True)
class Definitions:
    """All node classes of one server (or of several, merged)."""

    nodes: Mapping[str, NodeDefinition] = field(default_factory=dict[str, NodeDefinition])

    @classmethod
    def parse(cls, object_info: Mapping[str, Any]) -> Self:
        """Read `/object_info`; parts with an unknown shape are left out."""
        classes = ((name, mapping(info)) for name, info in mapping(object_info).items())
        return cls({name: _node(name, info) for name, info in classes if info})

    @classmethod
    def merged(cls, several: Sequence[Self]) -> Self:
        """Combine the servers: all nodes, the choices of each, the widest limits.

        Takes about 20 ms for servers that differ; cache the result while the parts are the same objects.
        """
        distinct = tuple({part.fingerprint: part for part in several if part.nodes}.values())
        if len(distinct) <= 1:
            return distinct[0] if distinct else cls()
        names = dict.fromkeys(name for part in distinct for name in part.nodes)
        return cls(
            {name: _merged_node([part.nodes[name] for part in distinct if name in part.nodes]) for name in names}
        )

    def input(self, class_type: str, input_name: str) -> InputDefinition | None:
        node = self.nodes.get(class_type)
        return node.inputs.get(input_name) if node else None

    def choices(self, source: str) -> tuple[str, ...]:
        """Return the live choices of `source` ("Class.input"); empty if the server does not have that input."""
        # Class and input names can contain dots, so the first split that names a known input counts.
        for at, character in enumerate(source):
            found = self.input(source[:at], source[at + 1 :]) if character == "." else None
            if found:
                return found.choices
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, equal for equal definitions in any process, whatever the order of the classes."""
        return hashlib.sha256(json.dumps(self.to_plain()).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return compact JSON in ASCII, so that odd characters of custom nodes cannot upset a database."""
        return json.dumps(self.to_plain(), separators=(",", ":"))

    def to_plain(self) -> dict[str, Any]:
        """Return the value that `to_json` writes. Each list of choices is stored once: dozens of loaders share one."""
        lists: dict[tuple[str, ...], int] = {}
        nodes = {name: _plain_node(node, lists) for name, node in sorted(self.nodes.items())}
        return {"nodes": nodes, "lists": [list(choices) for choices in lists]}

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """Reverse `to_json`; parts with an unknown shape are left out."""
        try:
            return cls.from_plain(json.loads(stored))
        except (ValueError, RecursionError):
            return cls()

    @classmethod
    def from_plain(cls, plain: object) -> Self:
        lists = tuple(map(texts, items(mapping(plain).get("lists"))))
        nodes = mapping(mapping(plain).get("nodes")).items()
        return cls({name: _stored_node(name, items(entry), lists) for name, entry in nodes})


# ------------------------------------------------------------------ /object_info


def _node(class_type: str, info: Mapping[str, Any]) -> NodeDefinition:
    sections = mapping(info.get("input"))
    optional = dict(_inputs(sections.get("optional"), required=False))
    required = dict(_inputs(sections.get("required"), required=True))
    return NodeDefinition(
        class_type,
        optional | required,
        is_output=info.get("output_node") is True,
        outputs=tuple(kind if isinstance(kind, str) else "COMBO" for kind in items(info.get("output"))),
        pack=_pack(text(info.get("python_module"))),
    )


def _pack(module: str) -> str:
    """Return the folder name of a node pack, which is what to search for when installing it."""
    return module.removeprefix("custom_nodes.")[:100] if module.startswith("custom_nodes.") else ""


def _inputs(section: object, *, required: bool) -> Iterator[tuple[str, InputDefinition]]:
    for name, spec in mapping(section).items():
        parsed = _input(spec, required=required)
        if parsed:
            yield name, parsed


def _input(spec: object, *, required: bool) -> InputDefinition | None:
    """Read `[type, {options}]`. The type can be the list of choices itself; V3 nodes put that list into the options."""
    parts = items(spec)
    options = mapping(parts[1] if len(parts) > 1 else None)
    first = parts[0] if parts else None
    if isinstance(first, str):
        kind, listed = first, options.get("options")
    elif isinstance(first, list):
        kind, listed = "COMBO", parts[0]
    else:
        return None
    return InputDefinition(
        type=kind,
        required=required,
        choices=_choices(listed),
        minimum=_limit(options.get("min")),
        maximum=_limit(options.get("max")),
        default=options.get("default"),
        is_open=kind == "COMBO" and not _is_plain_list(listed),
    )


def _choices(listed: object) -> tuple[str, ...]:
    """Return texts and numbers as text; members cannot pick the nested choices of dynamic inputs."""
    return tuple(str(choice) for choice in items(listed) if isinstance(choice, str | int | float))


def _is_plain_list(listed: object) -> bool:
    return isinstance(listed, list) and len(_choices(cast("object", listed))) == len(items(cast("object", listed)))


def _limit(value: object) -> Number | None:
    """Return a finite number unconverted: seeds go up to 2^64 - 1, which a float cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


# ------------------------------------------------------------------ merging servers


def _merged_node(nodes: Sequence[NodeDefinition]) -> NodeDefinition:
    first = nodes[0]
    if all(node == first for node in nodes):
        return first
    names = dict.fromkeys(name for node in nodes for name in node.inputs)
    inputs = {name: _merged_input([node.inputs.get(name) for node in nodes]) for name in names}
    is_output = any(node.is_output for node in nodes)
    return NodeDefinition(first.class_type, inputs, is_output, first.outputs, first.pack)


def _merged_input(several: Sequence[InputDefinition | None]) -> InputDefinition:
    """Merge one input; None stands for a server that has the class without this input."""
    known = [each for each in several if each is not None]
    return InputDefinition(
        type=known[0].type,
        required=all(each is not None and each.required for each in several),
        choices=tuple(dict.fromkeys(choice for each in known for choice in each.choices)),
        minimum=_widest(min, (each.minimum for each in known)),
        maximum=_widest(max, (each.maximum for each in known)),
        default=known[0].default,
        is_open=all(each.is_open for each in known),
    )


def _widest(pick: Any, limits: Iterable[Number | None]) -> Number | None:
    """Return the least restrictive limit: None if one server has none."""
    every = list(limits)
    return None if None in every else pick(every)


# ------------------------------------------------------------------ stored form


def _plain_node(node: NodeDefinition, lists: dict[tuple[str, ...], int]) -> list[Any]:
    inputs = {name: _plain_input(each, lists) for name, each in node.inputs.items()}
    return [int(node.is_output), inputs, list(node.outputs), node.pack]


def _plain_input(given: InputDefinition, lists: dict[tuple[str, ...], int]) -> list[Any]:
    """Return a list without trailing Nones; the default is kept only if it is a plain value."""
    default = given.default if isinstance(given.default, str | bool) else _limit(given.default)
    choices = lists.setdefault(given.choices, len(lists)) if given.choices else None
    facts = [given.type, int(given.required), choices, int(given.is_open), given.minimum, given.maximum, default]
    while facts[-1] is None:
        facts.pop()
    return facts


def _stored_node(class_type: str, entry: Sequence[Any], lists: Sequence[tuple[str, ...]]) -> NodeDefinition:
    is_output, inputs, outputs, pack = (*entry, *[None] * 4)[:4]
    stored = ((name, _stored_input(items(plain), lists)) for name, plain in mapping(inputs).items())
    known = {name: each for name, each in stored if each}
    return NodeDefinition(class_type, known, is_output == 1, texts(outputs), text(pack))


def _stored_input(entry: Sequence[Any], lists: Sequence[tuple[str, ...]]) -> InputDefinition | None:
    kind, required, at, is_open, minimum, maximum, default = (*entry, *[None] * 7)[:7]
    if not isinstance(kind, str):
        return None
    return InputDefinition(
        type=kind,
        required=required == 1,
        choices=lists[at] if isinstance(at, int) and 0 <= at < len(lists) else (),
        minimum=_limit(minimum),
        maximum=_limit(maximum),
        default=default,
        is_open=is_open == 1,
    )
