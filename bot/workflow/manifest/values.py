"""Parses and checks raw values: one pure function for each kind of value.

Raw values come from slash commands (typed by Discord), forms (always text) and manifests. The messages of
`RefusedValueError` follow the name of the option: "**width** must be at least 8.".
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError
from bot.workflow.text_format import listed, nearest, shown, tidy

MAX_SEED = 2**64 - 1
"""The largest seed of stock ComfyUI nodes."""

MAX_WHOLE = 2**53
"""Discord's clients keep whole numbers exact up to this limit."""

MAX_LIVE_NAME = 200
"""Model and sampler names are shorter; file systems allow 255 bytes."""

Scalar = str | int | float | bool
"""What a widget of a node can hold."""

Number = int | float

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,20}(?:[.,][0-9]{0,20})?|[.,][0-9]{1,20})")
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_PATH_TRICK = re.compile(r"(^|[/\\])\.\.?([/\\]|$)|^[/\\~]|^[A-Za-z]:|[\x00-\x1f\x7f\ud800-\udfff]|\[\w+\]\s*$")


class RandomSource(Protocol):
    """A source of random numbers, such as `random.Random`."""

    def randint(self, a: int, b: int, /) -> int:
        """Return a whole number from a to b, both included."""
        ...


class Choice(NamedTuple):
    """One entry of a list: the label that members see, and the value for the graph."""

    label: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class AllowedValues:
    """The current limits of an option: the author's, narrowed by those of the connected servers."""

    minimum: Number | None = None
    maximum: Number | None = None
    live: tuple[str, ...] | None = None
    """The choices that servers offer; None for other options, and while no server is known."""


def read_text(value: object, max_length: int) -> str:
    """Return the text with uniform line ends and without control characters."""
    if not isinstance(value, str):
        raise RefusedValueError(_("must be text."))
    text = _FORBIDDEN.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    if len(text) > max_length:
        raise RefusedValueError(
            _("can have up to {limit} characters, not {length}.", limit=max_length, length=len(text))
        )
    return text


def read_integer(value: object, allowed: AllowedValues, step: Number | None = None) -> int:
    """Return a whole number within the limits; without limits, one within ±`MAX_WHOLE`."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value.strip())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusedValueError(_("must be a whole number, such as {example}.", example=_example(allowed)))
    _require_within(value, allowed, -MAX_WHOLE, MAX_WHOLE)
    _require_step(value, step, allowed)
    return value


def read_number(value: object, allowed: AllowedValues, step: Number | None = None) -> float:
    """Return a finite number within the limits; without limits, one within ±`MAX_WHOLE`."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = float(value.strip().replace(",", "."))
    if not isinstance(value, int | float) or isinstance(value, bool) or not _is_finite(value):
        raise RefusedValueError(_("must be a number, such as {example}.", example=_example(allowed)))
    _require_within(value, allowed, -MAX_WHOLE, MAX_WHOLE)
    _require_step(value, step, allowed)
    return float(value)


def read_boolean(value: object) -> bool:
    if isinstance(value, str):
        value = _WORDS.get(value.strip().casefold())
    if not isinstance(value, bool):
        raise RefusedValueError(_("must be true or false."))
    return value


def read_seed(value: object, allowed: AllowedValues) -> int:
    """Return a seed. Slash commands send it as text, because Discord's numbers are too small for it."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value.strip())
    low, high = seed_range(allowed)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RefusedValueError(
            _("must be a whole number from {low} to {high}. Leave it out for a random one.", low=low, high=high)
        )
    return value


def seed_range(allowed: AllowedValues) -> tuple[int, int]:
    """Return the smallest and largest seed within `MAX_SEED` and the limits."""
    low = 0 if allowed.minimum is None else max(0, math.ceil(allowed.minimum))
    high = MAX_SEED if allowed.maximum is None else min(MAX_SEED, math.floor(allowed.maximum))
    return (low, high) if low <= high else (0, MAX_SEED)


def read_choice(value: object, choices: Sequence[Choice]) -> Scalar:
    """Return the value of the entry with this label or value, ignoring case."""
    text = str(value).strip()
    for choice in choices:
        if text == choice.label or (type(value) is type(choice.value) and value == choice.value):
            return choice.value
    for choice in choices:
        if text.casefold() in (choice.label.casefold(), str(choice.value).casefold()):
            return choice.value
    raise _not_listed(text, [choice.label for choice in choices])


def read_live(value: object, allowed: AllowedValues) -> str:
    """Return a name that the servers offer; while none is known, any name that cannot escape a folder."""
    if not isinstance(value, str):
        raise RefusedValueError(_("must be one of the names in the list."))
    text = value.strip()
    if allowed.live is None:
        if not text or len(text) > MAX_LIVE_NAME or _PATH_TRICK.search(text):
            raise RefusedValueError(_("must be a name from ComfyUI's list, not “{value}”.", value=shown(text)))
        return text
    if text in allowed.live:
        return text
    alike = [name for name in allowed.live if name.casefold() == text.casefold()]
    if len(alike) == 1:
        return alike[0]
    raise _not_listed(text, allowed.live)


def _not_listed(text: str, names: Sequence[str]) -> RefusedValueError:
    if not names:
        return RefusedValueError(_("can't be used yet: no GPU server offers any choices."))
    guess = nearest(text, names)
    if guess is not None:
        return RefusedValueError(
            _("can't be “{value}”. Did you mean “{guess}”?", value=shown(text), guess=shown(guess))
        )
    return RefusedValueError(_("can't be “{value}”. Choose one of: {names}.", value=shown(text), names=listed(names)))


def _is_finite(value: Number) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _example(allowed: AllowedValues) -> str:
    value = allowed.minimum if allowed.minimum is not None else allowed.maximum
    return tidy(1 if value is None else value)


def _require_within(value: Number, allowed: AllowedValues, lowest: Number, highest: Number) -> None:
    low = lowest if allowed.minimum is None else allowed.minimum
    high = highest if allowed.maximum is None else allowed.maximum
    given = shown(tidy(value), 24)
    if value < low:
        raise RefusedValueError(_("must be at least {low}, not {given}.", low=tidy(low), given=given))
    if value > high:
        raise RefusedValueError(_("must be at most {high}, not {given}.", high=tidy(high), given=given))


def _require_step(value: Number, step: Number | None, allowed: AllowedValues) -> None:
    """Require a multiple of `step`, counted from 0 rather than from the minimum: sizes must be multiples of 8."""
    if step is None or abs(value / step - round(value / step)) < 1e-6:
        return
    below = math.floor(value / step) * step
    near = [number for number in (below, below + step) if _fits(number, allowed)]
    raise RefusedValueError(_step_advice(step, [tidy(number) for number in near]))


def _fits(value: Number, allowed: AllowedValues) -> bool:
    return (allowed.minimum is None or value >= allowed.minimum) and (
        allowed.maximum is None or value <= allowed.maximum
    )


def _step_advice(step: Number, near: Sequence[str]) -> Message:
    if len(near) == 2:
        return _("must be a multiple of {step}. Try {below} or {above}.", step=tidy(step), below=near[0], above=near[1])
    if near:
        return _("must be a multiple of {step}. Try {near}.", step=tidy(step), near=near[0])
    return _("must be a multiple of {step}.", step=tidy(step))
