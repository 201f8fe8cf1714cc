"""Checks and converts single values by the type and limits of their input."""

import contextlib
from collections.abc import Callable
from typing import Any, cast

from bot.sandbox.comfyui.definitions import Json

_LONG_LIST = 20
"""A server omits longer lists of choices from its answer."""


def _to_float(value: Any) -> float:
    return float(value)


def _to_int(value: Any) -> int:
    return int(value)


_CONVERT: dict[str, Callable[[Any], Any]] = {"INT": _to_int, "FLOAT": _to_float, "STRING": str, "BOOLEAN": bool}


def fault(kind: str, message: str, details: str, extra: Json) -> Json:
    """One entry of `node_errors[…]["errors"]`."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def check_value(name: str, value: Any, config: list[Any]) -> tuple[Any, Json | None]:
    """Return the converted value, and its error if there is one."""
    kind = config[0]
    options = cast("Json", config[1]) if len(config) > 1 else {}
    extra: Json = {"input_name": name, "input_config": config, "received_value": value}
    choices = cast("list[Any]", kind) if isinstance(kind, list) else options.get("options")
    if choices is not None:
        return value, _check_choice(name, value, choices, extra)
    if kind in _CONVERT:
        try:
            value = _CONVERT[kind](value)
        except (TypeError, ValueError, OverflowError) as error:
            details = f"{name}, {value}, {error}"
            what = f"Failed to convert an input value to a {kind} value"
            return value, fault("invalid_input_type", what, details, {**extra, "exception_message": str(error)})
        extra["received_value"] = value
    return value, _check_limits(name, value, options, extra)


def _check_limits(name: str, value: Any, options: Json, extra: Json) -> Json | None:
    with contextlib.suppress(TypeError):  # text in place of a link cannot be compared
        if "min" in options and value < options["min"]:
            what = f"Value {value} smaller than min of {options['min']}"
            return fault("value_smaller_than_min", what, name, extra)
        if "max" in options and value > options["max"]:
            return fault("value_bigger_than_max", f"Value {value} bigger than max of {options['max']}", name, extra)
    return None


def _check_choice(name: str, value: Any, choices: list[Any], extra: Json) -> Json | None:
    if value in choices:
        return None
    listing = str(choices)
    if len(choices) > _LONG_LIST:
        listing = f"(list of length {len(choices)})"
        extra["input_config"] = None
    return fault("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {listing}", extra)
