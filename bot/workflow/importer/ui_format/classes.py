"""A server's node classes as the editor shows them: which inputs are widgets, and in which order.

Read from the raw `/object_info`, because the order and options of widgets decide what a saved list of values means.
Custom nodes write their own part of it: entries of an unknown shape are skipped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from functools import cached_property
from typing import Any

from bot.workflow.importer.ui_format.ui_graph import ANY
from bot.workflow.json_access import (
    items,
    mapping,
    text,
    texts,
)

MAX_BRANCHES = 8
"""How deep dynamic choices can be nested."""


class WidgetKind(StrEnum):
    """What a widget holds. The first six are inputs of the node; the others only take a place in the values."""

    INT = auto()
    FLOAT = auto()
    STRING = auto()
    BOOLEAN = auto()
    COMBO = auto()
    OTHER = auto()
    CONTROL = auto()
    """What the editor does with the preceding value after each run: "fixed", "randomize", …"""
    UNUSED = auto()


NO_DEFAULT = object()

_KINDS: Mapping[str, WidgetKind] = {
    "INT": WidgetKind.INT,
    "FLOAT": WidgetKind.FLOAT,
    "STRING": WidgetKind.STRING,
    "BOOLEAN": WidgetKind.BOOLEAN,
    "COMBO": WidgetKind.COMBO,
    "COMFY_DYNAMICCOMBO_V3": WidgetKind.COMBO,
    "COLOR": WidgetKind.OTHER,
}

_CONTROLLED = frozenset({WidgetKind.INT, WidgetKind.FLOAT, WidgetKind.COMBO})

_SEED_NAMES = frozenset({"seed", "noise_seed"})

_NEEDS_BROWSER = frozenset({"WEBCAM", "AUDIO_RECORD", "LOAD_3D", "LOAD_3D_ANIMATION"})
"""Input types whose value only exists in the open editor, not in a file."""


@dataclass(frozen=True, slots=True)
class Widget:
    """One value that can be set in the editor."""

    name: str
    kind: WidgetKind
    default: Any = NO_DEFAULT
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    choices: tuple[Any, ...] = ()
    branches: Mapping[str, tuple["Widget", ...]] = field(default_factory=dict[str, tuple["Widget", ...]])
    """The widgets that a choice adds, by choice."""

    @property
    def is_input(self) -> bool:
        """Whether its value is submitted."""
        return self.kind not in (WidgetKind.CONTROL, WidgetKind.UNUSED)


@dataclass(frozen=True)
class NodeClass:
    name: str
    display_name: str = ""
    is_custom: bool = False
    """Whether it comes from a node pack; the server's own classes have no editor code besides ComfyUI's."""
    is_output: bool = False
    needs_browser: bool = False
    widgets: tuple[Widget, ...] = ()
    slots: Mapping[str, str] = field(default_factory=dict[str, str])
    """The type of every input, by name."""

    @cached_property
    def widget_names(self) -> frozenset[str]:
        """All inputs that can be widgets, including those of every choice."""
        return frozenset(_names(self.widgets))


class NodeClasses:
    """All node classes of a server, each parsed on first use."""

    def __init__(self, object_info: Mapping[str, Any]) -> None:
        self._raw = mapping(object_info)
        self._read: dict[str, NodeClass | None] = {}

    def get(self, name: str) -> NodeClass | None:
        """Return the class, or None when the server lacks it."""
        if name not in self._read:
            raw = mapping(self._raw.get(name))
            self._read[name] = _node_class(name, raw) if raw else None
        return self._read[name]


def _node_class(name: str, raw: Mapping[str, Any]) -> NodeClass:
    inputs = list(_inputs(raw))
    return NodeClass(
        name=name,
        display_name=text(raw.get("display_name")),
        is_custom=text(raw.get("python_module")).startswith("custom_nodes"),
        is_output=raw.get("output_node") is True,
        needs_browser=any(kind in _NEEDS_BROWSER for _name, kind, _options in inputs),
        widgets=(*_widgets(inputs, depth=0), *_editor_widgets(name, {each[0] for each in inputs})),
        slots={each: kind for each, kind, _options in inputs},
    )


_Input = tuple[str, str, Mapping[str, Any]]
"""Name, type and options of an input; a combo's choices are among the options."""


def _inputs(raw: Mapping[str, Any]) -> Iterator[_Input]:
    """Yield the inputs in the editor's order."""
    for section in ("required", "optional"):
        specs = mapping(mapping(raw.get("input")).get(section))
        order = texts(mapping(raw.get("input_order")).get(section))
        for name in dict.fromkeys((*(each for each in order if each in specs), *specs)):
            kind, options = (*items(specs[name]), None, None)[:2]
            if isinstance(kind, str):
                yield name, kind or ANY, mapping(options)
            elif isinstance(kind, list):  # older notation: the choices take the place of the type
                yield name, "COMBO", {**mapping(options), "options": kind}


def _widgets(inputs: list[_Input], depth: int, prefix: str = "") -> Iterator[Widget]:
    for name, kind, options in inputs:
        widget = _widget(prefix + name, kind, options, depth)
        if widget:
            yield widget
            yield from _companions(widget, name)


def _widget(name: str, kind: str, options: Mapping[str, Any], depth: int) -> Widget | None:
    known = _KINDS.get(kind)
    if known is None or options.get("forceInput") is True:
        return None
    listed = items(options.get("options"))
    branches = dict(_branches(name, listed, depth)) if kind == "COMFY_DYNAMICCOMBO_V3" else {}
    choices = tuple(branches) if branches else tuple(listed)
    return Widget(name, known, _default(known, choices, options), options, choices, branches)


def _default(kind: WidgetKind, choices: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    if options.get("default") is not None:
        return options["default"]
    if kind is WidgetKind.COMBO:
        return choices[0] if choices else NO_DEFAULT
    return {WidgetKind.INT: 0, WidgetKind.FLOAT: 0, WidgetKind.BOOLEAN: False}.get(kind, "")


def _branches(name: str, listed: list[Any], depth: int) -> Iterator[tuple[str, tuple[Widget, ...]]]:
    """Yield the widgets of each choice of a dynamic combo; their names begin with the combo's."""
    for option in map(mapping, listed):
        key = option.get("key")
        if isinstance(key, str) and depth < MAX_BRANCHES:
            yield key, tuple(_widgets(list(_inputs({"input": option.get("inputs")})), depth + 1, f"{name}."))


def _companions(widget: Widget, name: str) -> Iterator[Widget]:
    """Yield what follows a widget in the list of values without being an input."""
    if _is_controlled(widget, name):
        yield Widget("control_after_generate", WidgetKind.CONTROL)
        if widget.kind is WidgetKind.COMBO:
            yield Widget("control_filter_list", WidgetKind.UNUSED)
    if mapping(widget.options.get("remote")).get("refresh_button"):
        yield Widget("Auto-refresh after generation", WidgetKind.UNUSED)
        yield Widget("refresh", WidgetKind.OTHER, "refresh")  # a button, which the editor submits like an input


def _is_controlled(widget: Widget, name: str) -> bool:
    wish = widget.options.get("control_after_generate")
    if wish is None:
        return widget.kind is WidgetKind.INT and name in _SEED_NAMES
    return widget.kind in _CONTROLLED and (wish is True or isinstance(wish, str))


def _editor_widgets(class_type: str, taken: set[str]) -> Iterator[Widget]:
    """Yield what the editor adds to 3D nodes and submits although the server has no such input."""
    if class_type in ("SaveGLB", "Preview3D", "Preview3DAnimation") and "image" not in taken:
        yield Widget("image", WidgetKind.OTHER, "")


def _names(widgets: tuple[Widget, ...]) -> Iterator[str]:
    for widget in widgets:
        if widget.is_input:
            yield widget.name
        for branch in widget.branches.values():
            yield from _names(branch)
