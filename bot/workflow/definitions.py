"""What a server can do, read from its `/object_info`: node classes, their inputs, choices and limits.

A frozen snapshot; the adapter fetches a new one now and then. Sizes are small: 400 classes, 330 kB of JSON.
The answer is a server's, and custom nodes write their own part of it: whatever has an unknown shape is left out.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, cast

from bot.workflow.shapes import items, mapping, text, texts

Number = int | float


@dataclass(frozen=True, slots=True)
class InputDefinition:
    """One input of a node class, as far as values are concerned."""

    type: str
    """"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", or the type of a link ("MODEL", …)."""
    required: bool = True
    choices: tuple[str, ...] = ()
    minimum: Number | None = None
    maximum: Number | None = None
    default: Any = None
    is_open: bool = False
    """Whether values may exist that are not among `choices`: those of dynamic inputs, or filled by the browser."""

    @property
    def is_closed(self) -> bool:
        """Whether the server refuses what is not among `choices`, also when there are none."""
        return self.type == "COMBO" and not self.is_open


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """One node class."""

    class_type: str
    inputs: Mapping[str, InputDefinition] = field(default_factory=dict[str, InputDefinition])
    is_output: bool = False
    outputs: tuple[str, ...] = ()
    """Types of what it hands on, by slot; empty when nobody said."""
    pack: str = ""
    """The package that brings the class; empty for ComfyUI's own, and when nobody said."""


@dataclass(frozen=True)
class Definitions:
    """All node classes of one server (or of several, merged)."""

    nodes: Mapping[str, NodeDefinition] = field(default_factory=dict[str, NodeDefinition])

    @classmethod
    def parse(cls, object_info: Mapping[str, Any]) -> Self:
        """Read `/object_info`; parts of a shape we do not know are left out rather than refused."""
        classes = ((name, mapping(info)) for name, info in mapping(object_info).items())
        return cls({name: _node(name, info) for name, info in classes if info})

    @classmethod
    def merged(cls, several: Sequence[Self]) -> Self:
        """Return what the servers can do together: all nodes, every choice that one has, the widest limits.

        Takes some 20 ms for servers that differ; keep the answer while the parts are the same objects.
        """
        distinct = tuple({part.fingerprint: part for part in several if part.nodes}.values())
        if len(distinct) <= 1:
            return distinct[0] if distinct else cls()
        names = dict.fromkeys(name for part in distinct for name in part.nodes)
        return cls(
            {name: _merged_node([part.nodes[name] for part in distinct if name in part.nodes]) for name in names}
        )

    def input(self, class_type: str, input_name: str) -> InputDefinition | None:
        """Return the definition of one input, or None when this server does not have it."""
        node = self.nodes.get(class_type)
        return node.inputs.get(input_name) if node else None

    def choices(self, source: str) -> tuple[str, ...]:
        """Return the live choices of `source`, written "Class.input"; empty when the server does not have it."""
        # Class and input names may hold dots themselves, so the first split that names a known input counts.
        for at, character in enumerate(source):
            found = self.input(source[:at], source[at + 1 :]) if character == "." else None
            if found:
                return found.choices
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, the same for the same definitions everywhere, in whatever order the classes came."""
        return hashlib.sha256(json.dumps(self.to_plain()).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return compact JSON in ASCII, so that no odd character of a custom node upsets a database."""
        return json.dumps(self.to_plain(), separators=(",", ":"))

    def to_plain(self) -> dict[str, Any]:
        """Return the value that `to_json` writes. Lists of choices stand there once: dozens of loaders share one."""
        lists: dict[tuple[str, ...], int] = {}
        nodes = {name: _plain_node(node, lists) for name, node in sorted(self.nodes.items())}
        return {"nodes": nodes, "lists": [list(choices) for choices in lists]}

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """Return what `to_json` was called on; what has an unknown shape is left out."""
        try:
            return cls.from_plain(json.loads(stored))
        except (ValueError, RecursionError):
            return cls()

    @classmethod
    def from_plain(cls, plain: object) -> Self:
        """Do the same for a value that is decoded already."""
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
    """Return the folder of a package, as its author named it: what to look for in order to install it."""
    return module.removeprefix("custom_nodes.")[:100] if module.startswith("custom_nodes.") else ""


def _inputs(section: object, *, required: bool) -> Iterator[tuple[str, InputDefinition]]:
    for name, spec in mapping(section).items():
        parsed = _input(spec, required=required)
        if parsed:
            yield name, parsed


def _input(spec: object, *, required: bool) -> InputDefinition | None:
    """Read `[type, {options}]`; the type may be the list of choices itself, V3 nodes put that list into the options."""
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
    """Return texts and numbers as text; nested choices of dynamic inputs are not values that a member can pick."""
    return tuple(str(choice) for choice in items(listed) if isinstance(choice, str | int | float))


def _is_plain_list(listed: object) -> bool:
    return isinstance(listed, list) and len(_choices(cast("object", listed))) == len(items(cast("object", listed)))


def _limit(value: object) -> Number | None:
    """Return a number as it is: seeds go up to 2^64 - 1, which a float cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


# ------------------------------------------------------------------ several servers as one


def _merged_node(nodes: Sequence[NodeDefinition]) -> NodeDefinition:
    first = nodes[0]
    if all(node == first for node in nodes):
        return first
    names = dict.fromkeys(name for node in nodes for name in node.inputs)
    inputs = {name: _merged_input([node.inputs.get(name) for node in nodes]) for name in names}
    is_output = any(node.is_output for node in nodes)
    return NodeDefinition(first.class_type, inputs, is_output, first.outputs, first.pack)


def _merged_input(several: Sequence[InputDefinition | None]) -> InputDefinition:
    """Merge one input; None stands for a server that has the class without it."""
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
    """Return the limit that leaves the most room: none, if one server has none."""
    every = list(limits)
    return None if None in every else pick(every)


# ------------------------------------------------------------------ as it is stored


def _plain_node(node: NodeDefinition, lists: dict[tuple[str, ...], int]) -> list[Any]:
    inputs = {name: _plain_input(each, lists) for name, each in node.inputs.items()}
    return [int(node.is_output), inputs, list(node.outputs), node.pack]


def _plain_input(given: InputDefinition, lists: dict[tuple[str, ...], int]) -> list[Any]:
    """Return a list without what says nothing at its end; of the default only what is a plain value."""
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
