"""Reads `${name:default}` placeholders in the texts of a graph.

Text is never inserted into text when a workflow runs. An option sets the whole input, and words around a placeholder
become part of the option's default.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from bot.i18n import Message, _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Graph, Node, Target
from bot.workflow.graph.input_names import is_media_input
from bot.workflow.importer.detect.author_hints import AuthorHint
from bot.workflow.importer.detect.maker import is_seed_name
from bot.workflow.importer.detect.proposal import ROLES, Use
from bot.workflow.importer.detect.wiring import is_number, is_whole
from bot.workflow.manifest.values import Scalar
from bot.workflow.text_format import shown

MAX_READ = 20_000
"""Characters of one text that are read."""

_PLACEHOLDER = re.compile(r"\$\{([^\W\d][\w .-]{0,60})(?::([^{}]{0,6000}))?\}")
_WHOLE = re.compile(r"(?:\{\{\s*([^\W\d]\w{0,60})\s*\}\}|%([^\W\d]\w{0,60})%)")
"""Other spellings, for a whole text only: within a text they may mean something else."""

_NUMBERS = {
    "steps": "integer", "width": "integer", "height": "integer", "batch_size": "integer", "length": "integer",
    "cfg": "number", "denoise": "number", "guidance": "number", "strength": "number", "strength_model": "number",
    "strength_clip": "number",
}  # fmt: skip
"""Kinds of stock nodes' inputs, for use without a server."""

_CHOICES = {"sampler_name": "choice", "scheduler": "choice", "ckpt_name": "model", "unet_name": "model",
            "lora_name": "model", "vae_name": "model"}  # fmt: skip

_OPTION_TYPES = {"INT": "integer", "FLOAT": "number", "BOOLEAN": "boolean", "STRING": "text"}


class Placeholders:
    def __init__(self, graph: Graph, definitions: Definitions) -> None:
        self._graph = graph
        self._definitions = definitions
        self.notes: list[Message] = []
        """Placeholders that could not become options."""
        self._claims = list(self._read())

    def bus(self) -> Iterator[AuthorHint]:
        """Yield one option per text with placeholders."""
        yield from self._claims

    def filled(self) -> Graph:
        """Return the graph with a value of the right kind in place of each placeholder, for the finders."""
        if not self._claims:
            return self._graph
        raw = self._graph.to_json()
        for claim in self._claims:
            target = claim.use.target
            raw[target.node_id]["inputs"][target.input_name] = self._sample(claim)
        return Graph.parse(json.dumps(raw), "graph")

    def _sample(self, claim: AuthorHint) -> Scalar:
        if claim.default is not None:
            return claim.default
        definition = self._definitions.input(claim.use.class_type, claim.use.input_name)
        usual = definition.default if definition else None
        if claim.kind in ("integer", "seed"):
            return usual if is_whole(usual) else 1
        if claim.kind == "number":
            return usual if is_number(usual) else 1.0
        return False if claim.kind == "boolean" else ""

    def _read(self) -> Iterator[AuthorHint]:
        for node in self._graph.nodes.values():
            for input_name, value in node.inputs.items():
                found = _found(value)
                if found is None:
                    continue
                if is_media_input(node.class_type, input_name):
                    if "$" in value:
                        self.notes.append(_names_file(node, input_name))
                    continue
                yield self._hint(node, input_name, *found)

    def _hint(self, node: Node, input_name: str, name: str, default: str | None, is_part: bool) -> AuthorHint:
        use = Use(Target(node.id, input_name), node.class_type, input_name)
        kind = self._kind(use)
        value = None if kind == "seed" else _typed(kind, default)
        if value is None and kind == "text" and "neg" in name.casefold():
            value = ""
        role = ROLES.get(name)
        return AuthorHint(
            use,
            name,
            role.description if role else "",
            kind,
            default=value,
            is_required=value is None and kind not in ("seed", "model"),
            remark=_is_whole_text() if is_part else None,
        )

    def _kind(self, use: Use) -> str:
        definition = self._definitions.input(use.class_type, use.input_name)
        known = definition.type if definition else ""
        if is_seed_name(use.input_name) and known in ("", "INT"):
            return "seed"
        if known in _OPTION_TYPES:
            return _OPTION_TYPES[known]
        return (_CHOICES | _NUMBERS).get(use.input_name, "choice" if known == "COMBO" else "text")


def _found(value: Any) -> tuple[str, str | None, bool] | None:
    """Return name and default of the first placeholder, and whether the text goes on: the default is all of it."""
    if not isinstance(value, str) or len(value) > MAX_READ:
        return None
    whole = _WHOLE.fullmatch(value.strip())
    if whole:
        return whole[1] or whole[2], None, False
    first = _PLACEHOLDER.search(value)
    if first is None:
        return None
    if first[0] == value.strip():
        return first[1].strip(), first[2], False
    return first[1].strip(), _PLACEHOLDER.sub(lambda match: match[2] or "", value), True


def _typed(kind: str, default: str | None) -> Scalar | None:
    if default is None:
        return None
    try:
        if kind == "integer":
            return int(default[:25])
        if kind == "number":
            return float(default[:40])
    except ValueError:
        return None
    if kind == "boolean":
        return default.strip().casefold() in ("true", "1", "yes", "on")
    return default


def _is_whole_text() -> Message:
    return _("The words around the placeholder are part of the default: a member's text replaces all of it.")


def _names_file(node: Node, input_name: str) -> Message:
    return _(
        "“{input}” of “{node}” names a file, so it cannot be an option. Enter a file name instead.",
        input=shown(input_name),
        node=shown(node.title),
    )
