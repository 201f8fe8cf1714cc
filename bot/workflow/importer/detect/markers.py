"""Reads nodes that only declare options: `ETN_Parameter`, `ComfyUIDeployExternal…`, `SwarmInput…`.

They pass a value on, together with its name, order, limits and choices. Options are bound to the value in them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.i18n import Message, _
from bot.workflow.graph.graph import Node, Target
from bot.workflow.importer.detect.author_hints import AuthorHint
from bot.workflow.importer.detect.proposal import Use
from bot.workflow.importer.detect.wiring import GraphWiring, is_number
from bot.workflow.json_access import text
from bot.workflow.manifest.options import MAX_CHOICES, MAX_LABEL
from bot.workflow.manifest.values import Number
from bot.workflow.text_format import shown

_ETN_KINDS: Mapping[str, str] = {
    "number": "number", "number (integer)": "integer", "text": "text", "prompt (positive)": "text",
    "prompt (negative)": "text", "toggle": "boolean", "choice": "choice",
}  # fmt: skip

_DEPLOY, _SWARM = "ComfyUIDeployExternal", "SwarmInput"
_DEPLOY_KINDS: Mapping[str, str] = {
    "Text": "text", "TextAny": "text", "TextSingleLine": "text", "Number": "number", "NumberInt": "integer",
    "NumberSlider": "number", "NumberSliderInt": "integer", "Boolean": "boolean", "Seed": "seed",
    "Checkpoint": "model", "Lora": "model", "Enum": "choice",
}  # fmt: skip
_SWARM_KINDS: Mapping[str, str] = {
    "Integer": "integer", "Float": "number", "Text": "text", "Boolean": "boolean", "Checkpoint": "model",
    "ModelName": "model", "Dropdown": "choice",
}  # fmt: skip

_NUMBERED = re.compile(r"\s*([0-9]+)\s*[.)]\s*")


class Markers:
    def __init__(self, wiring: GraphWiring) -> None:
        self._wiring = wiring
        self.notes: list[Message] = []
        """Markers that `claims` could not turn into options."""

    def bus(self) -> Iterator[AuthorHint]:
        """Yield the declared options in their declared order."""
        found: list[tuple[float, AuthorHint]] = []
        for node in self._wiring.graph.nodes.values():
            reader = _reader(node)
            marked = reader(node, self._consumer(node)) if reader else None
            if marked:
                found.append(marked)
            elif reader:
                self.notes.append(_unusable(node))
        yield from (claim for _place, claim in sorted(found, key=lambda each: each[0]))

    def _consumer(self, node: Node) -> tuple[str, str] | None:
        """Return the class and input that a marker feeds: its limits and choices apply."""
        readers = self._wiring.readers(node.id)
        if not readers:
            return None
        return self._wiring.graph.nodes[readers[0][0].node_id].class_type, readers[0][0].input_name


_Consumer = tuple[str, str] | None
_Marked = tuple[float, AuthorHint] | None


def _reader(node: Node) -> Callable[[Node, _Consumer], _Marked] | None:
    if node.class_type == "ETN_Parameter":
        return _etn
    if node.class_type.startswith(_DEPLOY):
        return _deploy
    return _swarm if node.class_type.startswith(_SWARM) and node.class_type != "SwarmInputGroup" else None


def _etn(node: Node, consumer: _Consumer) -> _Marked:
    """Names look like “2. Group/1. Label”; the numbers give the order."""
    use = _use(node, "default", consumer)
    parts = [part for part in text(node.inputs.get("name")).split("/") if part.strip()]
    numbers = [float(match[1][:6]) if (match := _NUMBERED.match(part)) else 1e6 for part in parts]
    place = sum(number / 1000**at for at, number in enumerate(numbers[:3])) if numbers else 1e6
    label = _NUMBERED.sub("", parts[-1], count=1) if parts else ""
    kind = _ETN_KINDS.get(text(node.inputs.get("type")), "")
    low, high = _limits(node.inputs, "min", "max") if kind in ("number", "integer") else (None, None)
    return (place, AuthorHint(use, label, "", kind, minimum=low, maximum=high)) if use else None


def _deploy(node: Node, consumer: _Consumer) -> _Marked:
    kind = _DEPLOY_KINDS.get(node.class_type.removeprefix(_DEPLOY), "")
    use = _use(node, "default_value", None if kind in ("model", "choice") else consumer) if kind else None
    low, high = _limits(node.inputs, "min_value", "max_value")
    told = text(node.inputs.get("description")) or text(node.inputs.get("display_name"))
    return (
        (0, AuthorHint(use, text(node.inputs.get("input_id")), told, kind, minimum=low, maximum=high)) if use else None
    )


def _swarm(node: Node, consumer: _Consumer) -> _Marked:
    kind = _SWARM_KINDS.get(node.class_type.removeprefix(_SWARM), "")
    use = _use(node, "value", consumer) if kind else None
    if use is None:
        return None
    if kind == "integer" and text(node.inputs.get("view_type")) == "seed":
        kind = "seed"
    low, high = _limits(node.inputs, "min", "max")
    entries = [each.strip() for each in text(node.inputs.get("values")).split(",") if each.strip()]
    choices = tuple(dict.fromkeys(each for each in entries if len(each) <= MAX_LABEL))[:MAX_CHOICES]
    place = node.inputs.get("order_priority")
    name = text(node.inputs.get("title")) or text(node.inputs.get("raw_id"))
    claim = AuthorHint(
        use, name, text(node.inputs.get("description")), kind, minimum=low, maximum=high,
        choices=choices if kind == "choice" else (),
    )  # fmt: skip
    return float(place) if is_number(place) else 0.0, claim


def _use(node: Node, input_name: str, consumer: _Consumer) -> Use | None:
    if not isinstance(node.inputs.get(input_name), str | int | float):
        return None
    class_type, name = consumer or (node.class_type, input_name)
    return Use(Target(node.id, input_name), class_type, name)


def _limits(inputs: Mapping[str, Any], low: str, high: str) -> tuple[Number | None, Number | None]:
    """Return the declared limits; reversed or equal ones count as none."""
    least, most = inputs.get(low), inputs.get(high)
    if not is_number(least) or not is_number(most) or not least < most:
        return None, None
    return least, most


def _unusable(node: Node) -> Message:
    return _(
        "“{node}” ({class_type}) is declared as an option, but takes a file or address, which members must not set."
        " Put Load Image in its place, or keep it fixed.",
        node=shown(node.title),
        class_type=shown(node.class_type),
    )
