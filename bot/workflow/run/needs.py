"""What a run needs, and whether a server can provide it. Pure: the scheduler decides where jobs go."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Self

from bot.i18n import Message, _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.graph.input_names import (
    Weight,
    is_media_input,
    is_model_file,
    model_weight,
)
from bot.workflow.json_access import (
    items,
    load,
    mapping,
    size,
    texts,
)
from bot.workflow.patterns import matching
from bot.workflow.text_format import joined, shown

GIGABYTE = 10**9
"""Decimal: a card sold as 12 GB reports more than 12 * 10^9 bytes, but fewer than 12 * 2^30."""
ANYTHING = ""
"""As the value of a choice: the member left it open, so any value that the server offers is fine."""
PATTERNS = "~"
"""Prefix of the value of a choice: it lists patterns, and the server must offer a value that matches one of them."""
MAX_NAMED = 5
"""Lacks that one message names."""

InputAddress = tuple[str, str]
"""An input of a graph: node id and input name."""


@dataclass(frozen=True)
class Needs:
    """What a server must have to run a graph. Empty: no known needs."""

    nodes: frozenset[str] = frozenset()
    choices: frozenset[tuple[str, str, str]] = frozenset()
    """(class, input, value) for each input with a closed list of choices; see `ANYTHING` and `PATTERNS`."""
    models: tuple[str, ...] = ()
    """Model files that take long to load, sorted; without LoRAs and VAEs."""
    vram: int = 0
    """Bytes; 0 if unknown."""

    @classmethod
    def of(
        cls,
        graph: JsonGraph,
        definitions: Definitions,
        *,
        vram: int = 0,
        left_open: Mapping[InputAddress, tuple[str, ...]] | None = None,
        uploaded: Collection[InputAddress] = (),
    ) -> Self:
        """Return what `graph` needs; `definitions` are those of all servers merged.

        `left_open` inputs accept any value of the server that matches one of their patterns; `uploaded` inputs take
        the name of an uploaded file.
        """
        chosen = [entry for entry in _chosen(graph, definitions) if entry.place not in uploaded]
        free = {
            place: PATTERNS + "|".join(patterns) if patterns else ANYTHING
            for place, patterns in (left_open or {}).items()
        }
        return cls(
            nodes=frozenset(node["class_type"] for node in graph.values()),
            choices=frozenset(
                (entry.class_type, entry.input_name, free.get(entry.place, entry.value)) for entry in chosen
            ),
            models=_heavy(chosen),
            vram=vram,
        )

    @cached_property
    def cls(self) -> str:
        """16 hex digits, equal in any process for runs with equal needs; empty without needs."""
        if not (self.nodes or self.choices or self.vram):
            return ""
        facts = [sorted(self.nodes), sorted(self.choices), self.vram]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @property
    def model(self) -> str:
        """The models to load, as one text: a run after one with the same text loads nothing."""
        return "|".join(self.models)

    def to_json(self) -> str:
        facts = {
            "nodes": sorted(self.nodes),
            "choices": sorted(self.choices),
            "models": list(self.models),
            "vram": self.vram,
        }
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """Reverse `to_json`; parts with an unknown shape are left out."""
        facts = mapping(load(stored))
        choices = [texts(entry) for entry in items(facts.get("choices"))]
        return cls(
            nodes=frozenset(texts(facts.get("nodes"))),
            choices=frozenset((entry[0], entry[1], entry[2]) for entry in choices if len(entry) == 3),
            models=texts(facts.get("models")),
            vram=size(facts.get("vram")),
        )


class _Chosen(NamedTuple):
    """A literal text in a graph that must be in a server's list."""

    place: InputAddress
    class_type: str
    input_name: str
    value: str


def _chosen(graph: JsonGraph, definitions: Definitions) -> Iterator[_Chosen]:
    for node_id, node in graph.items():
        class_type = node["class_type"]
        for name, value in node["inputs"].items():
            if isinstance(value, str) and _is_choice(definitions, class_type, name, value):
                yield _Chosen((node_id, name), class_type, name, value)


def _is_choice(definitions: Definitions, class_type: str, name: str, value: str) -> bool:
    """Whether the value must be in a server's list; for unknown classes, whether it looks like a model file."""
    if is_media_input(class_type, name):
        return False
    if class_type in definitions.nodes:
        definition = definitions.input(class_type, name)
        return definition is not None and definition.is_closed
    return is_model_file(value) and "load" in class_type.casefold()


def _heavy(chosen: Sequence[_Chosen]) -> tuple[str, ...]:
    """Return the models of the heaviest kind that occurs: they take longest to load."""
    weighed = [(model_weight(each.class_type, each.input_name), each.value) for each in chosen]
    weighed = [(weight, value) for weight, value in weighed if weight > Weight.LIGHT and is_model_file(value)]
    heaviest = max((weight for weight, _value in weighed), default=None)
    return tuple(sorted({value for weight, value in weighed if weight is heaviest}))


# ------------------------------------------------------------------ servers


@dataclass(frozen=True)
class Abilities:
    """What one server reported about itself. Without definitions: nothing yet."""

    definitions: Definitions = field(default_factory=Definitions)
    vram: int = 0
    """Bytes of its first device (the machine's memory on a server without a GPU); 0 if unknown."""
    version: str = ""
    """ComfyUI's."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, equal in any process for equal abilities."""
        facts = [self.definitions.fingerprint, self.vram, self.version]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return compact JSON in ASCII: about 100 kB for 400 classes, a tenth of that when compressed."""
        facts = {"definitions": self.definitions.to_plain(), "vram": self.vram, "version": self.version}
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """Reverse `to_json`; parts with an unknown shape are left out."""
        facts = mapping(load(stored))
        version = facts.get("version")
        return cls(
            Definitions.from_plain(facts.get("definitions")),
            size(facts.get("vram")),
            version if isinstance(version, str) else "",
        )


class MissingKind(StrEnum):
    NODE = "node"
    MODEL = "model"
    CHOICE = "choice"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class MissingResource:
    """One thing that a run needs and a server does not have."""

    kind: MissingKind
    name: str = ""
    """The node class, model file or value; empty if the server has no model at all."""
    place: str = ""
    """Where a model or a choice would go, as "Class.input"."""
    needed: int = 0
    """Bytes of memory."""
    there: int = 0
    """Bytes of memory that the server has."""

    @property
    def message(self) -> Message:
        """The missing thing, as part of a sentence."""
        match self.kind:
            case MissingKind.NODE:
                return _("the node “{name}”", name=shown(self.name))
            case MissingKind.MODEL if not self.name:
                return _("any model for “{place}”", place=shown(self.place))
            case MissingKind.MODEL:
                return _("the model “{name}”", name=shown(self.name))
            case MissingKind.CHOICE:
                return _("“{name}” as “{place}”", name=shown(self.name), place=shown(self.place))
            case MissingKind.MEMORY:
                return _("{needed} GB of graphics memory", needed=f"{self.needed / GIGABYTE:g}")


def missing_resources(needs: Needs, abilities: Abilities) -> tuple[MissingResource, ...] | None:
    """Return what a server lacks, in a fixed order: empty if it can run this, None if its abilities are unknown."""
    if not abilities.definitions.nodes:
        return None
    return (
        *_missing_nodes(needs, abilities.definitions),
        *_missing_choices(needs, abilities.definitions),
        *_missing_memory(needs, abilities.vram),
    )


def _missing_nodes(needs: Needs, definitions: Definitions) -> Iterator[MissingResource]:
    for class_type in sorted(needs.nodes.difference(definitions.nodes)):
        yield MissingResource(MissingKind.NODE, class_type)


def _missing_choices(needs: Needs, definitions: Definitions) -> Iterator[MissingResource]:
    """Yield each missing model once, although several nodes can use it."""
    seen: set[tuple[MissingKind, str]] = set()
    for class_type, name, value in sorted(needs.choices):
        definition = definitions.input(class_type, name)
        if definition is None or not definition.is_closed:
            continue
        if value in definition.choices or (value == ANYTHING and definition.choices):
            continue
        if value.startswith(PATTERNS):
            patterns = tuple(value.removeprefix(PATTERNS).split("|"))
            if not matching(definition.choices, patterns):
                yield MissingResource(MissingKind.MODEL, ", ".join(patterns), f"{class_type}.{name}")
            continue
        kind = MissingKind.MODEL if value == ANYTHING or is_model_file(value) else MissingKind.CHOICE
        if kind is MissingKind.CHOICE or value == ANYTHING or (kind, value) not in seen:
            seen.add((kind, value))
            yield MissingResource(kind, value, f"{class_type}.{name}")


def _missing_memory(needs: Needs, vram: int) -> Iterator[MissingResource]:
    if vram and needs.vram > vram:
        yield MissingResource(MissingKind.MEMORY, needed=needs.vram, there=vram)


def missing_text(things: Sequence[MissingResource]) -> Message:
    """Tell a member that no server can run this; `things` is what the closest one lacks."""
    return _(
        "No GPU server can run this yet. Missing: {things}. Your request will start once that is available.",
        things=joined([thing.message for thing in things], MAX_NAMED),
    )


def dump_missing(things: Sequence[MissingResource]) -> str:
    plain = [[thing.kind, thing.name, thing.place, thing.needed, thing.there] for thing in things]
    return json.dumps(plain, separators=(",", ":"))


def load_missing(stored: str) -> tuple[MissingResource, ...]:
    """Reverse `dump_missing`; entries with an unknown shape are left out."""
    return tuple(found for found in map(_load_missing, items(load(stored))) if found)


def _load_missing(plain: object) -> MissingResource | None:
    entry = items(plain)
    kind, *names = texts(entry) or ("",)
    if len(entry) != 5 or kind not in set(MissingKind) or len(names) != 2:
        return None
    return MissingResource(MissingKind(kind), *names, needed=size(entry[3]), there=size(entry[4]))
