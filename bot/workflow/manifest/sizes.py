"""Parses image sizes as people write them: "1024x768", or a ratio such as "3:2". Pure."""

import math
import re
from typing import NamedTuple

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.values import AllowedValues
from bot.workflow.text_format import shown, tidy

MEGAPIXEL = 1024 * 1024
"""ComfyUI's own unit."""

_SIDES = re.compile(r"\s*([0-9]{1,6})\s*(?:[x×*]|\s)\s*([0-9]{1,6})\s*(?:px)?\s*", re.IGNORECASE)
_RATIO = re.compile(r"\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)\s*[:/]\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)\s*")


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def read_size(value: object, allowed: AllowedValues, step: int, megapixels: float) -> Size:
    """Parse a size whose sides are within the limits and multiples of `step`. Raises `RefusedValueError`.

    A ratio becomes a size of about `megapixels`.
    """
    text = str(value)
    if found := _SIDES.fullmatch(text):
        size = Size(int(found[1]), int(found[2]))
    elif (found := _RATIO.fullmatch(text)) and float(found[1]) > 0 and float(found[2]) > 0:
        size = _of_ratio(float(found[1]) / float(found[2]), step, megapixels)
    else:
        raise RefusedValueError(_("must be a size such as 1024x768 or 3:2, not “{value}”.", value=shown(text)))
    for side in size:
        _require_side(side, allowed, step)
    return size


def _of_ratio(ratio: float, step: int, megapixels: float) -> Size:
    height = math.sqrt(megapixels * MEGAPIXEL / ratio)
    return Size(*(max(step, round(side / step) * step) for side in (height * ratio, height)))


def _require_side(side: int, allowed: AllowedValues, step: int) -> None:
    low = 1 if allowed.minimum is None else allowed.minimum
    if side < low:
        raise RefusedValueError(_("must be at least {low} pixels per side, not {side}.", low=tidy(low), side=side))
    if allowed.maximum is not None and side > allowed.maximum:
        raise RefusedValueError(
            _("must be at most {high} pixels per side, not {side}.", high=tidy(allowed.maximum), side=side)
        )
    if side % step:
        below = max(step, side // step * step)
        raise RefusedValueError(
            _(
                "must have sides that are multiples of {step}. Try {below} or {above} instead of {side}.",
                step=step,
                below=below,
                above=side // step * step + step,
                side=side,
            )
        )
