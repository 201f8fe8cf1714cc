"""What a run needs, and whether a certain server can do it.

Pure facts about graphs and servers: nothing here talks to a server, knows a job, or decides where a job goes.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Self

from bot.i18n import Message, _
from bot.workflow.definitions import Definitions
from bot.workflow.execution import JsonGraph
from bot.workflow.inputnames import Weight, is_media_input, is_model_file, model_weight
from bot.workflow.patterns import matching
from bot.workflow.shapes import items, load, mapping, size, texts
from bot.workflow.wording import joined, shown

GIGABYTE = 10**9
"""Decimal: a card that is sold as 12 GB reports more bytes than 12 * 10^9, and fewer than 12 * 2^30."""
ANYTHING = ""
"""As the value of a choice: whatever the server offers first will do, because the member left it open."""
PATTERNS = "~"
"""Before the value of a choice: it is a list of patterns, one of which something that the server offers must fit."""
MAX_NAMED = 5
"""Lacks that one sentence names."""

Place = tuple[str, str]
"""An input of a graph: node id and input name."""


@dataclass(frozen=True)
class Needs:
    """What must be on a server, so that it can run a graph. Empty: nothing is known to be needed."""

    nodes: frozenset[str] = frozenset()
    """Node classes."""
    choices: frozenset[tuple[str, str, str]] = frozenset()
    """(class, input, value) for each input that takes one of a list only; see `ANY`."""
    models: tuple[str, ...] = ()
    """The files that take long to load, sorted; LoRAs and VAEs do not."""
    vram: int = 0
    """Bytes; 0 when nobody said."""

    @classmethod
    def of(
        cls,
        graph: JsonGraph,
        definitions: Definitions,
        *,
        vram: int = 0,
        left_open: Mapping[Place, tuple[str, ...]] | None = None,
        uploaded: Collection[Place] = (),
    ) -> Self:
        """Return what `graph` needs, read with the definitions of all servers together.

        The inputs `left_open` take what the server has and fits one of their patterns; those `uploaded` take the name
        of a file that is brought along.
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
        """The class of the runs that the same servers can do: 16 hex digits, the same everywhere; empty for none."""
        if not (self.nodes or self.choices or self.vram):
            return ""
        facts = [sorted(self.nodes), sorted(self.choices), self.vram]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    @property
    def model(self) -> str:
        """What has to be loaded, as one text: runs with the same one follow each other without a load."""
        return "|".join(self.models)

    def to_json(self) -> str:
        """Return compact JSON in ASCII."""
        facts = {
            "nodes": sorted(self.nodes),
            "choices": sorted(self.choices),
            "models": list(self.models),
            "vram": self.vram,
        }
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """Return what `to_json` was called on; what has an unknown shape is left out."""
        facts = mapping(load(stored))
        choices = [texts(entry) for entry in items(facts.get("choices"))]
        return cls(
            nodes=frozenset(texts(facts.get("nodes"))),
            choices=frozenset((entry[0], entry[1], entry[2]) for entry in choices if len(entry) == 3),
            models=texts(facts.get("models")),
            vram=size(facts.get("vram")),
        )


class _Chosen(NamedTuple):
    """A literal text in a graph that must be one of a server's list."""

    place: Place
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
    """Whether the value is one of a list; of a class that no server has told us of, only a model's name looks so."""
    if is_media_input(class_type, name):
        return False
    if class_type in definitions.nodes:
        definition = definitions.input(class_type, name)
        return definition is not None and definition.is_closed
    return is_model_file(value) and "load" in class_type.casefold()


def _heavy(chosen: Sequence[_Chosen]) -> tuple[str, ...]:
    """Return the models that take longest to load: those of the heaviest kind that is there."""
    weighed = [(model_weight(each.class_type, each.input_name), each.value) for each in chosen]
    weighed = [(weight, value) for weight, value in weighed if weight > Weight.LIGHT and is_model_file(value)]
    heaviest = max((weight for weight, _value in weighed), default=None)
    return tuple(sorted({value for weight, value in weighed if weight is heaviest}))


# ------------------------------------------------------------------ what a server can do


@dataclass(frozen=True)
class Abilities:
    """What one server told about itself. Without definitions it has told nothing yet."""

    definitions: Definitions = field(default_factory=Definitions)
    vram: int = 0
    """Bytes of its first device, of which a server without a GPU says what the machine has; 0 when it did not say."""
    version: str = ""
    """ComfyUI's."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, the same for the same abilities everywhere and at any time."""
        facts = [self.definitions.fingerprint, self.vram, self.version]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return compact JSON in ASCII: some 100 kB for a server with 400 classes, a tenth of it compressed."""
        facts = {"definitions": self.definitions.to_plain(), "vram": self.vram, "version": self.version}
        return json.dumps(facts, separators=(",", ":"))

    @classmethod
    def from_json(cls, stored: str) -> Self:
        """Return what `to_json` was called on; what has an unknown shape is left out."""
        facts = mapping(load(stored))
        version = facts.get("version")
        return cls(
            Definitions.from_plain(facts.get("definitions")),
            size(facts.get("vram")),
            version if isinstance(version, str) else "",
        )


class LackKind(StrEnum):
    """What a server may be without."""

    NODE = "node"
    MODEL = "model"
    CHOICE = "choice"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that a run needs and a server does not have."""

    kind: LackKind
    name: str = ""
    """The node class, the file of the model, or the value; empty when there is no model at all."""
    place: str = ""
    """Where a model or a choice would go, as "Class.input"."""
    needed: int = 0
    """Bytes of memory."""
    there: int = 0
    """Bytes of memory that the server has."""

    @property
    def message(self) -> Message:
        """Name the thing, as a part of a sentence."""
        match self.kind:
            case LackKind.NODE:
                return _("the node “{name}”", name=shown(self.name))
            case LackKind.MODEL if not self.name:
                return _("any model for “{place}”", place=shown(self.place))
            case LackKind.MODEL:
                return _("the model “{name}”", name=shown(self.name))
            case LackKind.CHOICE:
                return _("“{name}” as “{place}”", name=shown(self.name), place=shown(self.place))
            case LackKind.MEMORY:
                return _("{needed} GB of graphics memory", needed=f"{self.needed / GIGABYTE:g}")


def lacks(needs: Needs, abilities: Abilities) -> tuple[Lack, ...] | None:
    """Return what a server is without, in a fixed order: nothing means that it can run this.

    None while the server has not told what it can do: then nobody can say.
    """
    if not abilities.definitions.nodes:
        return None
    return (
        *_lacking_nodes(needs, abilities.definitions),
        *_lacking_choices(needs, abilities.definitions),
        *_lacking_memory(needs, abilities.vram),
    )


def _lacking_nodes(needs: Needs, definitions: Definitions) -> Iterator[Lack]:
    for class_type in sorted(needs.nodes.difference(definitions.nodes)):
        yield Lack(LackKind.NODE, class_type)


def _lacking_choices(needs: Needs, definitions: Definitions) -> Iterator[Lack]:
    """Yield each value once, although several nodes may take it."""
    seen: set[tuple[LackKind, str]] = set()
    for class_type, name, value in sorted(needs.choices):
        definition = definitions.input(class_type, name)
        if definition is None or not definition.is_closed:
            continue
        if value in definition.choices or (value == ANYTHING and definition.choices):
            continue
        if value.startswith(PATTERNS):
            patterns = tuple(value.removeprefix(PATTERNS).split("|"))
            if not matching(definition.choices, patterns):
                yield Lack(LackKind.MODEL, ", ".join(patterns), f"{class_type}.{name}")
            continue
        kind = LackKind.MODEL if value == ANYTHING or is_model_file(value) else LackKind.CHOICE
        if kind is LackKind.CHOICE or value == ANYTHING or (kind, value) not in seen:
            seen.add((kind, value))
            yield Lack(kind, value, f"{class_type}.{name}")


def _lacking_memory(needs: Needs, vram: int) -> Iterator[Lack]:
    if vram and needs.vram > vram:
        yield Lack(LackKind.MEMORY, needed=needs.vram, there=vram)


def missing(things: Sequence[Lack]) -> Message:
    """Say to a member what no server has; `things` is what the server that comes nearest is without."""
    return _(
        "No ComfyUI server here can run this yet. It needs {things}, and starts by itself once a server has that."
        " Please tell whoever runs the server.",
        things=joined([thing.message for thing in things], MAX_NAMED),
    )


def dump_lacks(things: Sequence[Lack]) -> str:
    """Return compact JSON in ASCII."""
    plain = [[thing.kind, thing.name, thing.place, thing.needed, thing.there] for thing in things]
    return json.dumps(plain, separators=(",", ":"))


def load_lacks(stored: str) -> tuple[Lack, ...]:
    """Return what `dump_lacks` was given; what has an unknown shape is left out."""
    return tuple(found for found in map(_lack, items(load(stored))) if found)


def _lack(plain: object) -> Lack | None:
    entry = items(plain)
    kind, *names = texts(entry) or ("",)
    if len(entry) != 5 or kind not in set(LackKind) or len(names) != 2:
        return None
    return Lack(LackKind(kind), *names, needed=size(entry[3]), there=size(entry[4]))
