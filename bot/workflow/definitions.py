"""What a server can do, read from its `/object_info`: node classes, their inputs, choices and limits.

A frozen snapshot; the adapter fetches a new one now and then. Sizes are small: 400 classes, 330 kB of JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


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
        raise NotImplementedError

    def input(self, class_type: str, input_name: str) -> InputDefinition | None:
        """Return the definition of one input, or None when this server does not have it."""
        raise NotImplementedError

    def choices(self, source: str) -> tuple[str, ...]:
        """Return the live choices of `source`, written "Class.input"; empty when the server does not have it."""
        raise NotImplementedError
