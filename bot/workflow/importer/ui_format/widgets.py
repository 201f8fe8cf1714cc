"""Widget values of one node: assigned to their widgets, normalized and checked.

The editor saves values as a list without names, so one value too many or too few shifts all that follow. It submits
such values silently; here they are detected by type and rejected.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from bot.i18n import Message, _
from bot.workflow.importer.ui_format.classes import (
    NO_DEFAULT,
    NodeClass,
    Widget,
    WidgetKind,
)
from bot.workflow.importer.ui_format.ui_graph import UiNode
from bot.workflow.json_access import items, number
from bot.workflow.text_format import shown

Values = dict[str, tuple[Widget, Any]]
"""Input name → its widget and value."""

CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})

_NUMBERS = frozenset({WidgetKind.INT, WidgetKind.FLOAT})


def held(node_class: NodeClass, saved: list[Any] | Mapping[str, Any] | None) -> Values:
    """Return the value of each widget that is an input, its default if none was saved."""
    found: Values = {}
    for widget, value in placed(node_class, _named(node_class, saved)):
        plain = plain_value(widget, value)
        if widget.is_input and plain is not NO_DEFAULT:
            found[widget.name] = (widget, plain)
    return found


def placed(node_class: NodeClass, saved: Sequence[Any] | Mapping[str, Any] | None) -> Iterator[tuple[Widget, Any]]:
    """Yield each widget with its saved value or `NO_DEFAULT`, matched by position unless `saved` has names."""
    waiting = deque(node_class.widgets)
    at = 0
    while waiting:
        widget = waiting.popleft()
        if isinstance(saved, Mapping):
            value = saved.get(widget.name, NO_DEFAULT)
        else:
            value = saved[at] if saved and at < len(saved) else NO_DEFAULT
        at += 1
        yield widget, value
        choice = plain_value(widget, value)
        if isinstance(choice, str):
            waiting.extendleft(reversed(widget.branches.get(choice, ())))


def plain_value(widget: Widget, value: Any) -> Any:
    """Return what the editor makes of a saved value."""
    if value is NO_DEFAULT:
        return widget.default
    if value is None and widget.kind is WidgetKind.COMBO:
        return widget.default
    if widget.kind is WidgetKind.STRING:
        return _plain_text(value, is_multiline=widget.options.get("multiline") is True)
    return value


def constrained(widget: Widget, value: Any) -> Any:
    """Return the value that a PrimitiveNode gives a widget: within its limits, on its steps."""
    plain = plain_value(widget, value)
    if widget.kind not in _NUMBERS or isinstance(plain, bool) or not isinstance(plain, int | float):
        return plain
    return _clamped(widget, _stepped(widget, plain))


def fault(widget: Widget, value: Any) -> Message | None:
    """Return why a widget cannot have held this value when the workflow was saved; None when it can."""
    if widget.kind in _NUMBERS and not _is_numeric(widget.kind, value):
        return _("holds “{value}”, but needs a number", value=shown(value))
    if widget.kind is WidgetKind.COMBO and _is_foreign_control(widget, value):
        return _("holds “{value}”, which belongs to another widget", value=shown(value))
    return None


def misplaced(node_class: NodeClass, node: UiNode) -> Message | None:
    """Return why values are shifted: something else is in a control's place; None when they are not."""
    if not isinstance(node.values, list):
        return None
    places = list(placed(node_class, node.values))
    for at, (widget, value) in enumerate(places):
        if widget.kind is WidgetKind.CONTROL and not _may_be_control(value):
            behind = [each for each, saved in places[at + 1 :] if each.is_input and saved is not NO_DEFAULT]
            if behind:
                return _("has “{value}” where “{widget}” should be", value=shown(value), widget=widget.name)
    return None


def posted(value: Any) -> Any:
    """Return a value as the graph stores it: a bare list would be read as a link."""
    return {"__value__": items(cast("object", value))} if isinstance(value, list) else value


def as_text(value: object) -> str:
    """Return a value as the editor writes it into a text: true, 0.5, and 8 for 8.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _named(node_class: NodeClass, saved: list[Any] | Mapping[str, Any] | None) -> list[Any] | Mapping[str, Any] | None:
    """Drop named values for the server's own nodes, as the editor does; only packs have code that reads them."""
    return saved if node_class.is_custom or not isinstance(saved, Mapping) else None


def _plain_text(value: Any, *, is_multiline: bool) -> Any:
    if value is None:
        return ""
    return as_text(value) if is_multiline and isinstance(value, bool | int | float) else value


def _stepped(widget: Widget, value: float) -> float:
    if widget.kind is WidgetKind.INT:
        step = number(widget.options.get("step")) or 1
        start = math.fmod(number(widget.options.get("min")) or 0, step) if step > 0 else 0
        return _on_grid(value, int(step), int(start)) if step >= 1 else value
    wish = widget.options.get("round")
    if wish is False:
        return value
    step = number(wish) or number(widget.options.get("step")) or 0
    return round(value, max(0, -math.floor(math.log10(step)))) if 0 < step < 1e15 else value


def _on_grid(value: float, step: int, start: int) -> float:
    """Round to a multiple of `step`, halves up; integers keep every digit of a large seed."""
    if isinstance(value, float) and abs(value) > 2**53:
        return value
    if isinstance(value, int):
        return (2 * (value - start) + step) // (2 * step) * step + start
    return math.floor((value - start) / step + 0.5) * step + start


def _clamped(widget: Widget, value: float) -> float:
    low, high = widget.options.get("min"), widget.options.get("max")
    if isinstance(low, int | float) and value < low:
        return low
    return high if isinstance(high, int | float) and value > high else value


def _is_numeric(kind: WidgetKind, value: Any) -> bool:
    """Whether the server can read a number from it; None is left for the server to reject."""
    if value is None or isinstance(value, int | float):
        return True
    if not isinstance(value, str):
        return False
    try:
        (int if kind is WidgetKind.INT else float)(value)
    except ValueError:
        return False
    return True


def _is_foreign_control(widget: Widget, value: Any) -> bool:
    if not isinstance(value, str) or value not in CONTROLS or not widget.choices:
        return False
    return all(isinstance(choice, str) for choice in widget.choices) and value not in widget.choices


def _may_be_control(value: Any) -> bool:
    """Old files have true or false there."""
    if value is NO_DEFAULT or value is None or isinstance(value, bool):
        return True
    return isinstance(value, str) and value in CONTROLS
