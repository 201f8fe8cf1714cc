"""What a server can do, read from its `/object_info`: node classes, their inputs, choices and limits.

A frozen snapshot; the adapter fetches a new one now and then. Sizes are small: 400 classes, 330 kB of JSON.
The answer is a server's, and custom nodes write their own part of it: whatever has an unknown shape is left out.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast


@dataclass(frozen=True, slots=True)
class InputDefinition:
    """One input of a node class, as far as values are concerned."""

    type: str
    """"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", or the type of a link ("MODEL", …)."""
    required: bool = True
    choices: tuple[str, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    default: Any = None


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """One node class."""

    class_type: str
    inputs: Mapping[str, InputDefinition] = field(default_factory=dict[str, InputDefinition])
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class Definitions:
    """All node classes of one server (or of several, merged)."""

    nodes: Mapping[str, NodeDefinition] = field(default_factory=dict[str, NodeDefinition])

    @classmethod
    def parse(cls, object_info: Mapping[str, Any]) -> Self:
        """Read `/object_info`; parts of a shape we do not know are left out rather than refused."""
        classes = ((name, _mapping(info)) for name, info in _mapping(object_info).items())
        return cls({name: _node(name, info) for name, info in classes if info})

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


def _node(class_type: str, info: Mapping[str, Any]) -> NodeDefinition:
    sections = _mapping(info.get("input"))
    optional = dict(_inputs(sections.get("optional"), required=False))
    required = dict(_inputs(sections.get("required"), required=True))
    return NodeDefinition(class_type, optional | required, is_output=info.get("output_node") is True)


def _inputs(section: object, *, required: bool) -> Iterator[tuple[str, InputDefinition]]:
    for name, spec in _mapping(section).items():
        parsed = _input(spec, required=required)
        if parsed:
            yield name, parsed


def _input(spec: object, *, required: bool) -> InputDefinition | None:
    """Read `[type, {options}]`; the type may be the list of choices itself, V3 nodes put that list into the options."""
    parts = _list(spec)
    options = _mapping(parts[1] if len(parts) > 1 else None)
    first = parts[0] if parts else None
    if isinstance(first, str):
        kind, choices = first, _choices(options.get("options"))
    elif isinstance(first, list):
        kind, choices = "COMBO", _choices(parts[0])
    else:
        return None
    return InputDefinition(
        type=kind,
        required=required,
        choices=choices,
        minimum=_limit(options.get("min")),
        maximum=_limit(options.get("max")),
        default=options.get("default"),
    )


def _choices(listed: object) -> tuple[str, ...]:
    """Return texts and numbers as text; nested choices of dynamic inputs are not values that a member can pick."""
    return tuple(str(choice) for choice in _list(listed) if isinstance(choice, str | int | float))


def _limit(value: object) -> int | float | None:
    """Return a number as it is: seeds go up to 2^64 - 1, which a float cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else dict[str, Any]()


def _list(value: object) -> list[Any]:
    return list(cast("list[Any] | tuple[Any, ...]", value)) if isinstance(value, list | tuple) else []
