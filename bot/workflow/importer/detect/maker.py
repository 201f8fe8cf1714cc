"""Builds proposals for values found in a graph, with a kind, limits and default that suit the value and the servers.

The finder says what a value is for; the servers' definition of the input narrows the rest.
"""

from collections.abc import Sequence

from bot.workflow.graph.definitions import Definitions, InputDefinition
from bot.workflow.graph.input_names import is_media_input, is_model_file, is_model_input
from bot.workflow.importer.detect.proposal import (
    OTHER,
    RANKS,
    ROLES,
    OptionProposal,
    OptionRole,
    Use,
)
from bot.workflow.importer.detect.wiring import (
    GraphWiring,
    is_number,
    is_text,
    is_whole,
)
from bot.workflow.manifest.options import MAX_TEXT
from bot.workflow.manifest.values import MAX_WHOLE, Number, Scalar
from bot.workflow.text_format import shown

MAX_DESCRIPTION = 100
GRIDS = (64, 32, 16, 8)
"""Multiples that models require of sizes; 64 comes from the oldest models and tells nothing."""

_ELSEWHERE = ("url", "path", "base64", "b64", "folder", "director", "3d", "http")
"""Parts of class names whose images do not come from uploads."""

CLIPS = ("video", "audio")
FILES = frozenset({"image", *CLIPS})
_NUMBERS = frozenset({"integer", "number"})


class ProposalMaker:
    def __init__(self, wiring: GraphWiring, definitions: Definitions) -> None:
        self.wiring = wiring
        self.definitions = definitions

    def definition(self, use: Use) -> InputDefinition | None:
        """Return the servers' definition of the input that a value is for."""
        return self.definitions.input(use.class_type, use.input_name)

    def of_role(self, role_name: str, uses: Sequence[Use]) -> OptionProposal | None:
        """Return the proposal for values of a known role; None if the server's input is of another kind."""
        role = ROLES[role_name]
        uses = [use for use in uses if self._fits(role, use)]
        if not uses:
            return None
        return self._proposal(role_name, role, uses, RANKS[role_name])

    def of_any(self, name: str, use: Use, description: str = "", kind: str = "") -> OptionProposal | None:
        """Return the proposal for a value without a known role; None if members must not set it."""
        kind = kind or self._kind(use)
        if not kind:
            return None
        title = self.wiring.graph.nodes[use.target.node_id].title
        told = description or f"“{use.input_name}” of “{shown(title)}”"
        return self._proposal(name, OptionRole(kind, told, is_required=kind in FILES), [use], OTHER)

    def _proposal(self, name: str, role: OptionRole, uses: Sequence[Use], rank: int) -> OptionProposal:
        own = self.wiring.value(uses[0].target)
        low, high = self._limits(role, uses, own) if role.kind in _NUMBERS else (None, None)
        return OptionProposal(
            name=name,
            kind=role.kind,
            description=shown(role.description, MAX_DESCRIPTION),
            targets=tuple(dict.fromkeys(use.target for use in uses)),
            is_required=role.is_required,
            default=_default(role.kind, own),
            minimum=low,
            maximum=high,
            step=_grid(own, uses[0]) if name in ("width", "height", "size") else None,
            source=uses[0].source if role.kind in ("choice", "model") else None,
            max_length=MAX_TEXT if role.kind == "text" and is_text(own) and len(own) > 2000 else None,
            rank=rank,
        )

    def _fits(self, role: OptionRole, use: Use) -> bool:
        definition = self.definition(use)
        if role.kind in ("choice", "model"):
            return definition is None or definition.is_closed
        return definition is None or definition.type != "COMBO" or role.kind in FILES

    def _limits(self, role: OptionRole, uses: Sequence[Use], own: object) -> tuple[Number | None, Number | None]:
        """Return the usual limits, wide enough for the graph's own value and narrow enough for every server."""
        known = [definition for use in uses if (definition := self.definition(use))]
        low, high = role.low, role.high
        if is_number(own):
            low = None if low is None else min(low, own)
            high = None if high is None else max(high, own)
        lows = [limit for limit in (low, *(each.minimum for each in known)) if limit is not None]
        highs = [limit for limit in (high, *(each.maximum for each in known)) if limit is not None]
        return _told(max(lows, default=None), role.kind), _told(min(highs, default=None), role.kind)

    def _kind(self, use: Use) -> str:
        """Return the kind that suits an input; empty if none does."""
        own, definition = self.wiring.value(use.target), self.definition(use)
        if is_media_input(use.class_type, use.input_name):
            return file_kind(use.class_type, use.input_name)
        if definition is not None and definition.is_closed:
            return "model" if is_text(own) and is_model_file(own) else "choice"
        if is_model_input(use.class_type, use.input_name) and is_text(own):
            return "model"
        return _kind_of_type(use, definition.type if definition else "", own)


def is_picture_input(class_type: str, input_name: str) -> bool:
    """Whether an input takes the name of an uploaded image."""
    kind, name = class_type.casefold(), input_name.casefold()
    if any(word in kind for word in _ELSEWHERE):
        return False
    return is_media_input(kind, name) and name in ("image", "mask") and ("image" in kind or "mask" in kind)


def is_seed_name(name: str) -> bool:
    return name.casefold() == "seed" or name.casefold().endswith("_seed")


def file_kind(class_type: str, input_name: str) -> str:
    """Return the kind of uploaded file that an input names: "image", "video" or "audio"; empty for none."""
    if is_picture_input(class_type, input_name):
        return "image"
    kind, name = class_type.casefold(), input_name.casefold()
    if "load" in kind and not any(word in kind for word in _ELSEWHERE):
        for each in CLIPS:
            if each in kind and name in (each, "file"):
                return each
    return ""


def _kind_of_type(use: Use, kind: str, own: object) -> str:
    if kind == "BOOLEAN" or isinstance(own, bool):
        return "boolean"
    if kind == "FLOAT" or isinstance(own, float):
        return "number"
    if kind == "INT" or is_whole(own):
        return "seed" if is_seed_name(use.input_name) else "integer"
    return "text" if is_text(own) else ""


def _default(kind: str, own: object) -> Scalar | None:
    """Return the graph's own value if it can be a default; texts stay in the graph, seeds and models have none."""
    if kind == "integer" and isinstance(own, float) and own.is_integer():
        return int(own)
    if kind == "number" and is_number(own):
        return float(own)
    if kind in ("integer", "boolean", "choice") and isinstance(own, str | int | float | bool):
        return own
    return None


def _told(limit: Number | None, kind: str) -> Number | None:
    """Return a limit if it is worth stating; one beyond Discord's number range is not."""
    if limit is None or abs(limit) > MAX_WHOLE:
        return None
    return int(limit) if kind == "integer" else limit


def _grid(own: object, use: Use) -> int | None:
    """Return the step of a size: what models of the class require, as far as the graph's own size complies."""
    if not isinstance(own, int) or own <= 0:
        return None
    name = use.class_type.casefold()
    wanted = 32 if "ltx" in name else 16 if any(each in name for each in ("sd3", "video", "wan", "flux", "qwen")) else 8
    return next((grid for grid in GRIDS if grid <= wanted and own % grid == 0), None)
