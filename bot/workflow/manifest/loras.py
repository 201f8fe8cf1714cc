"""Lists of LoRAs: parsing what people write, and repeating a graph's loader for several LoRAs.

Pure. Loaders are recognized by their input names, so those of custom node packs work like the stock ones.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.graph import JsonGraph, is_link
from bot.workflow.graph.input_names import is_model_file
from bot.workflow.manifest import values
from bot.workflow.manifest.values import AllowedValues
from bot.workflow.text_format import listed, nearest, shown, tidy

STRONGEST = 10.0
NAME_INPUT = "lora_name"
STRENGTHS = ("strength_model", "strength_clip", "strength")
CARRIED = ("model", "clip")
"""Inputs that a loader passes on, in the order of its outputs."""

_TAG = re.compile(r"<lora:([^<>]+)>", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"(:\s*[+-]?[0-9]{1,3}),([0-9]{1,4})(?=\s*(?:[,;:\n]|$))")
_STRENGTH = re.compile(r"(.*?)\s*:\s*([+-]?[0-9]{0,3}(?:\.[0-9]{1,4})?)\s*(?::[^:]*)?")


class Lora(NamedTuple):
    name: str
    strength: float = 1.0

    def __str__(self) -> str:
        return f"{self.name}:{tidy(self.strength)}"


def written(loras: Sequence[object]) -> str:
    return ", ".join(map(str, loras))


def read_loras(value: object, allowed: AllowedValues, most: int, patterns: Sequence[str] = ()) -> tuple[Lora, ...]:
    """Parse "detail:0.8, style" or "<lora:detail:0.8>". Raises `RefusedValueError`."""
    text = _DECIMAL_COMMA.sub(r"\1.\2", _TAG.sub(r"\1;", str(value)))
    entries = [entry.strip() for entry in re.split(r"[,;\n]", text) if entry.strip()]
    if len(entries) > most:
        raise RefusedValueError(_("can name up to {most} LoRAs, not {count}.", most=most, count=len(entries)))
    found = [_entry(entry, allowed) for entry in entries]
    names = [lora.name for lora in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RefusedValueError(_("names “{name}” twice.", name=shown(twice)))
    return tuple(found)


def _entry(entry: str, allowed: AllowedValues) -> Lora:
    split = _STRENGTH.fullmatch(entry)
    strength = 1.0
    if split and split[2].strip("+-"):
        entry, strength = split[1], float(split[2])
    elif entry.endswith(":"):
        entry = entry[:-1].rstrip()
    if abs(strength) > STRONGEST:
        raise RefusedValueError(
            _(
                "needs a strength from {low} to {high} for “{name}”.",
                name=shown(entry),
                low=tidy(-STRONGEST),
                high=tidy(STRONGEST),
            )
        )
    return Lora(_name(entry, allowed), strength)


def _name(typed: str, allowed: AllowedValues) -> str:
    if allowed.live is None:
        return values.read_live(typed, allowed)
    if typed in allowed.live:
        return typed
    alike = [name for name in allowed.live if _stem(name) == _stem(typed)]
    whole = [name for name in alike if name.casefold().removesuffix(_ending(name)) == typed.casefold()]
    if len(whole) == 1 or len(alike) == 1:
        return (whole or alike)[0]
    if alike:
        raise RefusedValueError(_("is ambiguous: “{name}” matches {names}.", name=shown(typed), names=listed(alike)))
    if not allowed.live:
        raise RefusedValueError(_("can't be used yet: no GPU server has a matching LoRA."))
    stems = {_stem(name): name for name in allowed.live}
    guess = nearest(_stem(typed), stems)
    if guess is not None:
        raise RefusedValueError(
            _("names an unknown LoRA, “{name}”. Did you mean “{guess}”?", name=shown(typed), guess=shown(stems[guess]))
        )
    raise RefusedValueError(
        _("names an unknown LoRA, “{name}”. Choose one of: {names}.", name=shown(typed), names=listed(allowed.live))
    )


def _ending(name: str) -> str:
    return name[name.rfind(".") :].casefold() if is_model_file(name) else ""


def _stem(name: str) -> str:
    """Return a file name without its folders and ending."""
    bare = re.split(r"[/\\]", name)[-1].casefold()
    return bare.removesuffix(_ending(name)) if is_model_file(name) else bare


# ------------------------------------------------------------------ graphs


def is_loader(inputs: Mapping[str, object]) -> bool:
    """Whether a node with these inputs loads one LoRA into a linked model."""
    return NAME_INPUT in inputs and is_link(inputs.get("model"))


def chain(graph: JsonGraph, node_id: str, loras: Sequence[Lora]) -> None:
    """Load the first LoRA with the loader and the others with copies chained behind it. `loras` must not be empty."""
    node = graph[node_id]
    readers = [
        (reader, name)
        for reader, entry in graph.items()
        for name, value in entry["inputs"].items()
        if is_link(value) and value[0] == node_id
    ]
    carried = [name for name in CARRIED if is_link(node["inputs"].get(name))]
    original, last = copy.deepcopy(node), node_id
    _load(node["inputs"], loras[0])
    for number, lora in enumerate(loras[1:], start=2):
        new = _free_id(graph, f"{node_id}:lora{number}")
        graph[new] = copy.deepcopy(original)
        for slot, name in enumerate(carried):
            graph[new]["inputs"][name] = [last, slot]
        _load(graph[new]["inputs"], lora)
        last = new
    for reader, name in readers:
        graph[reader]["inputs"][name] = [last, graph[reader]["inputs"][name][1]]


def _load(inputs: dict[str, Any], lora: Lora) -> None:
    inputs[NAME_INPUT] = lora.name
    for name in STRENGTHS:
        if name in inputs and not is_link(inputs[name]):
            inputs[name] = lora.strength


def _free_id(graph: JsonGraph, wanted: str) -> str:
    while wanted in graph:
        wanted += "_"
    return wanted
