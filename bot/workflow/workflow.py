"""The workflow: a graph and its manifest, with every option bound to inputs of the graph.

Independent of files (see `bot.workflow.library.catalog`) and of servers (see `bot.workflow.run.prepare`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.graph.file_inputs import file_input_behind
from bot.workflow.graph.graph import Graph, Node, Target, is_link
from bot.workflow.graph.input_names import is_media_input
from bot.workflow.graph.validation import circles
from bot.workflow.manifest.binding import resolve, resolve_node
from bot.workflow.manifest.loras import NAME_INPUT, STRENGTHS, is_loader
from bot.workflow.manifest.manifest import Manifest
from bot.workflow.manifest.options import (
    ConstantOption,
    ImageOption,
    LorasOption,
    Option,
    SizeOption,
    TextOption,
)
from bot.workflow.manifest.sizes import Size
from bot.workflow.text_format import shown

FILLED_LATER = frozenset({"seed", "model", "image", "mask", "video", "audio", "loras", "constant"})
"""Kinds that do not default to the graph's value: they are drawn, chosen on the server, or left out."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that members can run as a command."""

    name: str
    manifest: Manifest
    graph: Graph = field(repr=False)
    bindings: Mapping[str, tuple[Target, ...]]
    """Option name → the inputs that take its value, in the order of its `bindings`; none for masks and switches."""
    fits: Mapping[str, Target]
    """Name of an image option → the input that takes the factor to scale the image down."""
    outputs: tuple[str, ...]
    """Ids of the nodes whose files are shown; empty: every output node."""
    output_kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Node id → the `OutputKind` of its results that is shown, if the author restricts it."""
    bypassed: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Option name → ids of the nodes that are bypassed when it is empty or off."""
    loaders: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name of a LoRA option → id of the node that loads the LoRAs."""
    source: str = ""
    """The manifest's file name."""
    version: str = ""
    """16 hex digits that change with the graph and the manifest; empty if built without files."""

    @classmethod
    def build(cls, name: str, manifest: Manifest, graph: Graph, source: str, version: str = "") -> Self:
        """Bind a manifest to its graph. Raises `WorkflowError` with all mismatches."""
        reasons: list[Message] = []
        taken: dict[Target, str] = {}
        bindings = {
            option_name: tuple(_bind(graph, option_name, option, taken, reasons))
            for option_name, option in manifest.options.items()
        }
        fits = dict(_fits(graph, manifest, taken, reasons))
        outputs = dict(_outputs(graph, manifest, reasons))
        bypassed = {
            option_name: tuple(_bypassed(graph, option_name, option, reasons))
            for option_name, option in manifest.options.items()
            if option.bypass
        }
        loaders = dict(_loaders(graph, manifest, taken, reasons))
        reasons += circles(graph, outputs)
        if reasons:
            raise WorkflowError(source, *reasons)
        made = cls(
            name,
            manifest,
            graph,
            MappingProxyType(bindings),
            MappingProxyType(fits),
            tuple(outputs),
            MappingProxyType({node_id: kind for node_id, kind in outputs.items() if kind}),
            MappingProxyType(bypassed),
            MappingProxyType(loaders),
            source,
            version,
        )
        if reasons := list(made._unusable_sizes()):
            raise WorkflowError(source, *reasons)
        return made

    def own_value(self, option_name: str) -> object:
        """Return the graph's own value for an option; None if it cannot be determined."""
        option, targets = self.manifest.options[option_name], self.bindings[option_name]
        if isinstance(option, SizeOption):
            return self._own_size(option, targets)
        plain = (target for bind, target in zip(option.bindings, targets, strict=False) if bind.is_plain)
        first = next(plain, None)
        return _own(self.graph, first) if first else None

    def _own_size(self, option: SizeOption, targets: tuple[Target, ...]) -> Size | None:
        sides = {
            bind.part: _own(self.graph, target)
            for bind, target in reversed(list(zip(option.bindings, targets, strict=False)))
            if bind.used == frozenset(("part",))
        }
        width, height = sides.get("width"), sides.get("height")
        return Size(width, height) if isinstance(width, int) and isinstance(height, int) else None

    def _unusable_sizes(self) -> Iterator[Message]:
        for name, option in self.manifest.options.items():
            own = self.own_value(name) if isinstance(option, SizeOption) and name in self.bindings else None
            if own is None or option.required or option.default is not None:
                continue
            try:
                option.read(own, option.own_limits())
            except RefusedValueError as refusal:
                yield _placed(name, "default", _unusable(refusal.reason))

    def unsaid_value(self, option_name: str) -> object:
        """Return what is used when a member leaves an option out; None if that is not known in advance."""
        option = self.manifest.options[option_name]
        if isinstance(option, ConstantOption):
            return option.value
        if option.required or option.default is not None:
            return option.default
        return None if option.kind in FILLED_LATER or option.bypass else self.own_value(option_name)


def _bind(
    graph: Graph, name: str, option: Option, taken: dict[Target, str], reasons: list[Message]
) -> Iterator[Target]:
    try:
        _require_public_list(option)
    except RefusedValueError as refusal:
        reasons.append(_placed(name, "from", refusal.reason))
    if isinstance(option, LorasOption):
        return
    for bind in option.bindings:
        try:
            target = resolve(graph, bind.to)
            _require_no_file(graph, option, target)
            _take(taken, target, name)
            if bind.is_plain:
                _require_usable_own(graph, option, target)
        except RefusedValueError as refusal:
            reasons.append(_placed(name, "bind", refusal.reason))
        else:
            yield target


def _loaders(
    graph: Graph, manifest: Manifest, taken: dict[Target, str], reasons: list[Message]
) -> Iterator[tuple[str, str]]:
    for name, option in manifest.options.items():
        if not isinstance(option, LorasOption):
            continue
        try:
            node_id = resolve_node(graph, option.bind[0])
            node = graph.nodes[node_id]
            _require_loader(node)
            for input_name in (NAME_INPUT, *STRENGTHS):
                if input_name in node.inputs and not is_link(node.inputs[input_name]):
                    _take(taken, Target(node_id, input_name), name)
        except RefusedValueError as refusal:
            reasons.append(_placed(name, "bind", refusal.reason))
        else:
            yield name, node_id


def _require_loader(node: Node) -> None:
    if not is_loader(node.inputs):
        raise RefusedValueError(
            _(
                "“{node}” is not a LoRA loader: it needs the input “lora_name” and a linked “model”.",
                node=shown(node.title),
            )
        )


def _bypassed(graph: Graph, name: str, option: Option, reasons: list[Message]) -> Iterator[str]:
    for selector in option.bypass:
        try:
            yield resolve_node(graph, selector)
        except RefusedValueError as refusal:
            reasons.append(_placed(name, "bypass", refusal.reason))


def _own(graph: Graph, target: Target) -> object:
    return graph.nodes[target.node_id].inputs[target.input_name]


def _require_usable_own(graph: Graph, option: Option, target: Target) -> None:
    """Without a default in the manifest the graph's value is the default, so it must pass the same limits."""
    if option.required or option.default is not None or option.kind in FILLED_LATER or option.bypass:
        return
    try:
        option.read(_own(graph, target), option.own_limits())
    except RefusedValueError as refusal:
        raise RefusedValueError(_unusable(refusal.reason)) from refusal


def _unusable(reason: Message) -> Message:
    return _("the graph's own value, which is used when there is no default, {reason}", reason=reason)


def _fits(
    graph: Graph, manifest: Manifest, taken: dict[Target, str], reasons: list[Message]
) -> Iterator[tuple[str, Target]]:
    for name, option in manifest.options.items():
        if not isinstance(option, ImageOption) or option.fit is None:
            continue
        try:
            target = resolve(graph, option.fit)
            _take(taken, target, name)
        except RefusedValueError as refusal:
            reasons.append(_placed(name, "fit", refusal.reason))
        else:
            yield name, target


def _outputs(graph: Graph, manifest: Manifest, reasons: list[Message]) -> Iterator[tuple[str, str]]:
    for output in manifest.outputs:
        try:
            yield resolve_node(graph, output.node), output.kind or ""
        except RefusedValueError as refusal:
            reasons.append(_("outputs: {reason}", reason=refusal.reason))


def _placed(name: str, key: str, reason: Message) -> Message:
    return Message("[options.{name}] {key}: {reason}", {"name": name, "key": key, "reason": reason})


def _take(taken: dict[Target, str], target: Target, name: str) -> None:
    owner = taken.setdefault(target, name)
    if owner != name:
        raise RefusedValueError(
            _(
                "“{input}” is already filled by the option “{option}”. Bind one of the two elsewhere.",
                input=shown(target.input_name),
                option=owner,
            )
        )


def _require_public_list(option: Option) -> None:
    class_type, _dot, input_name = (option.source or "").rpartition(".")
    if class_type and is_media_input(class_type, input_name):
        raise RefusedValueError(_("this list would expose files that others uploaded. Use an option of kind “image”."))


def _require_no_file(graph: Graph, option: Option, target: Target) -> None:
    """Refuse typed text as a file name; fixed lists are the author's own, and uploads get generated names."""
    is_text = isinstance(option, TextOption)
    if not is_text and option.source is None:
        return
    behind = file_input_behind(graph, target, models=is_text)
    if behind is None:
        return
    node = graph.nodes[behind.node_id]
    raise RefusedValueError(
        _(
            "“{input}” of “{node}” takes a file name, which members must not type."
            " Use an option of kind “image” for images, “model” for models, or “choice” with a fixed list.",
            input=shown(behind.input_name),
            node=shown(node.title),
        )
    )
