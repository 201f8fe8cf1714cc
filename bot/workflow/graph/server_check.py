"""Finds what a server lacks or refuses in a graph (classes, inputs, values, links), as messages for its author.

Pure: compares a graph with a snapshot of definitions. Like ComfyUI, only checks nodes that an output needs.
"""

import math
from collections.abc import Collection, Iterator, Mapping

from bot.i18n import Message, _
from bot.workflow.graph.definitions import Definitions, InputDefinition, NodeDefinition
from bot.workflow.graph.graph import (
    Graph,
    Link,
    Node,
    Target,
    is_link,
)
from bot.workflow.graph.input_names import is_media_input, is_model_file
from bot.workflow.graph.validation import live
from bot.workflow.text_format import listed, nearest, shown, tidy

ANY = "*"
NOT_LINKED = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
"""Types of literal values; an input of any other type needs a link."""

Others = Mapping[str, Definitions]
"""Definitions of other servers, by server name."""


class GraphCheck:
    """Checks one graph against the definitions of one server. `bound` are the inputs that options fill."""

    def __init__(
        self,
        graph: Graph,
        definitions: Definitions,
        *,
        bound: Collection[Target],
        outputs: Collection[str],
        others: Others,
    ) -> None:
        self._graph = graph
        self._definitions = definitions
        self._bound = frozenset(bound)
        self._others = others
        ends = outputs or [node_id for node_id in graph.nodes if not graph.readers(node_id)]
        needed = live(graph, ends)
        self._nodes = [node for node in graph.nodes.values() if node.id in needed]

    def classes(self, packs: Mapping[str, str]) -> Iterator[Message]:
        """Report missing classes; `packs` (class → node pack) comes from the manifest."""
        missing: dict[str, list[Node]] = {}
        for node in self._nodes:
            if node.class_type not in self._definitions.nodes:
                missing.setdefault(node.class_type, []).append(node)
        for class_type, nodes in missing.items():
            yield _(
                "needs the node “{node}”, which no connected ComfyUI server has (used by {where}). {cure}",
                node=shown(class_type),
                where=listed((f"“{node.title}” (#{node.id})" for node in nodes), 3),
                cure=self._class_cure(class_type, packs),
            )

    def values(self) -> Iterator[Message]:
        """Report values that the server refuses and no option fills."""
        for node, known in self._known():
            for name, value in node.inputs.items():
                definition = known.inputs.get(name)
                if definition is None or is_link(value) or Target(node.id, name) in self._bound:
                    continue
                reason = self._refused(node, name, value, definition)
                if reason is not None:
                    yield reason

    def gaps(self) -> Iterator[Message]:
        """Report required inputs that the graph does not fill."""
        for node, known in self._known():
            for name, definition in known.inputs.items():
                if definition.required and name not in node.inputs and not definition.is_open:
                    yield _(
                        "“{node}” (#{id}) lacks the input “{input}”, which ComfyUI requires."
                        " Export the workflow again.",
                        node=shown(node.title),
                        id=shown(node.id),
                        input=shown(name),
                    )

    def links(self) -> Iterator[Message]:
        """Report links between an output and an input of different types."""
        for node, known in self._known():
            for name, link in node.links():
                definition = known.inputs.get(name)
                given = self._given(link)
                if definition is None or given is None or _fits(given, definition):
                    continue
                yield _(
                    "“{input}” of “{node}” (#{id}) takes {wanted}, but “{other}” (#{other_id}) outputs {given}."
                    " Connect another output to it in ComfyUI.",
                    input=shown(name),
                    node=shown(node.title),
                    id=shown(node.id),
                    wanted=shown(definition.type),
                    other=shown(self._graph.nodes[link.node_id].title),
                    other_id=shown(link.node_id),
                    given=shown(given),
                )

    # ------------------------------------------------------------------ pieces

    def _known(self) -> Iterator[tuple[Node, NodeDefinition]]:
        for node in self._nodes:
            known = self._definitions.nodes.get(node.class_type)
            if known is not None:
                yield node, known

    def _class_cure(self, class_type: str, packs: Mapping[str, str]) -> Message:
        told = (each.nodes[class_type].pack for each in self._others.values() if class_type in each.nodes)
        pack = packs.get(class_type) or next(told, "")
        has_it = [name for name, each in self._others.items() if class_type in each.nodes]
        if pack:
            return _("Install {pack}.", pack=shown(pack))
        if has_it:
            return _("Available on: {servers}.", servers=listed(has_it))
        return _("Install the node pack that provides it, or export the workflow without it.")

    def _given(self, link: Link) -> str | None:
        known = self._definitions.nodes.get(self._graph.nodes[link.node_id].class_type)
        if known is None or not 0 <= link.slot < len(known.outputs):
            return None
        return known.outputs[link.slot]

    def _refused(self, node: Node, name: str, value: object, definition: InputDefinition) -> Message | None:
        if definition.is_closed:
            return self._unlisted(node, name, value, definition)
        if definition.type in ("INT", "FLOAT"):
            return _out_of_range(node, name, value, definition)
        if definition.type not in NOT_LINKED and definition.required and definition.type.isupper():
            return _(
                "“{input}” of “{node}” (#{id}) has a value, but needs a link ({kind}). Connect a node to it.",
                input=shown(name),
                node=shown(node.title),
                id=shown(node.id),
                kind=shown(definition.type),
            )
        return None

    def _unlisted(self, node: Node, name: str, value: object, definition: InputDefinition) -> Message | None:
        text = str(value)
        if text in definition.choices or isinstance(value, list | dict):
            return None
        if is_media_input(node.class_type, name) and any(mark in text for mark in "/\\["):
            return None  # the list contains the top folder only, but the server accepts more
        return _(
            "needs “{value}” for “{input}” of “{node}”, which no connected ComfyUI server has. {cure}",
            value=shown(text),
            input=shown(name),
            node=shown(node.title),
            cure=self._value_cure(node, name, text, definition),
        )

    def _value_cure(self, node: Node, name: str, value: str, definition: InputDefinition) -> Message:
        has_it = [
            server
            for server, each in self._others.items()
            if (there := each.input(node.class_type, name)) is not None and value in there.choices
        ]
        if has_it:
            return _("Available on: {servers}.", servers=listed(has_it))
        guess = nearest(value, definition.choices)
        if guess is not None:
            return _("Did you mean “{guess}”?", guess=shown(guess))
        if is_model_file(value):
            return _("Add the file to a server, or add an option of kind “model” for it.")
        return _("Available: {choices}.", choices=listed(definition.choices, 6))


def _out_of_range(node: Node, name: str, value: object, definition: InputDefinition) -> Message | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    low, high = definition.minimum, definition.maximum
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return _(
        "“{input}” of “{node}” (#{id}) is {value}, but ComfyUI accepts {low} to {high}. Change it in ComfyUI and"
        " export again, or bind an option to it.",
        input=shown(name),
        node=shown(node.title),
        id=shown(node.id),
        value=tidy(value),
        low="–" if low is None else tidy(low),
        high="–" if high is None else tidy(high),
    )


def _fits(given: str, definition: InputDefinition) -> bool:
    wanted = definition.type
    if ANY in (given, wanted) or given == wanted or definition.is_open:
        return True
    if not given.replace("_", "").isalnum() or not wanted.replace("_", "").replace(",", "").isalnum():
        return True  # a custom node's own notation, such as a list of types
    if wanted == "COMBO" or given == "COMBO":
        return True
    return (
        given in wanted.split(",")
        or wanted in given.split(",")
        or wanted.startswith("COMFY_")
        or given.startswith("COMFY_")
    )
