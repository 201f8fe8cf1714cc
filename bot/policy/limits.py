"""Size limits for one request: a backstop for every workflow, whatever its manifest allows.

Pure. Every refusal names the limit and what would be accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from bot.i18n import Message, _, n_
from bot.policy.decision import AdmissionRequest, Allowed, Decision, Refused
from bot.workflow.run.measure import RunSize

_GRID = 8
"""Most models need image sides that are multiples of this."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum values for one request; unknown sizes (0) pass."""

    max_pixels: int = 4096 * 4096
    """Width × height of the largest image: one megapixel enlarged four times is 16."""
    max_side: int = 8192
    max_steps: int = 150
    max_count: int = 8
    max_work: int = 4096 * 4096 * 50
    """Pixels × steps × images: about five minutes on a mid-range GPU, or 8 images of 1024² with 100 steps."""
    max_waiting_per_member: int = 100
    max_text: int = 2000
    """Characters."""


def review(request: AdmissionRequest, limits: Limits) -> Decision:
    """Check the size alone: `Allowed`, or `Refused` for the first limit exceeded."""
    for rule in _RULES:
        message = rule(request, limits)
        if message is not None:
            return Refused(message)
    return Allowed()


def _size(request: AdmissionRequest, limits: Limits) -> Message | None:
    size = request.size
    if size.pixels <= limits.max_pixels and max(size.width, size.height) <= limits.max_side:
        return None
    width, height = _largest_like(size, limits)
    return _(
        "{width} × {height} is too large here: at most {side} px per side and {megapixels} MP, for example "
        "{fine_width} × {fine_height}. Please ask for less, or attach a smaller image.",
        width=size.width,
        height=size.height,
        megapixels=f"{limits.max_pixels / 1_000_000:.1f}",
        side=limits.max_side,
        fine_width=width,
        fine_height=height,
    )


def _largest_like(size: RunSize, limits: Limits) -> tuple[int, int]:
    """Return the largest allowed size with about the same aspect ratio."""
    width, height = max(1, size.width), max(1, size.height)
    scale = min(1.0, sqrt(limits.max_pixels / (width * height)), limits.max_side / max(width, height))
    return _on_grid(width * scale), _on_grid(height * scale)


def _on_grid(side: float) -> int:
    return max(_GRID, int(side) // _GRID * _GRID)


def _steps(request: AdmissionRequest, limits: Limits) -> Message | None:
    if request.size.steps <= limits.max_steps:
        return None
    return _(
        "{steps} steps is over the limit of {limit}. Please use fewer steps.",
        steps=request.size.steps,
        limit=limits.max_steps,
    )


def _count(request: AdmissionRequest, limits: Limits) -> Message | None:
    if request.size.count <= limits.max_count:
        return None
    return n_(
        "You asked for {asked} images at once; the limit is 1. Please ask for one at a time.",
        "You asked for {asked} images at once; the limit is {count}. Please ask for fewer.",
        limits.max_count,
        asked=request.size.count,
    )


def _work(request: AdmissionRequest, limits: Limits) -> Message | None:
    size = request.size
    if size.pixels * max(1, size.steps) * size.count <= limits.max_work:
        return None
    return _(
        "{width} × {height}, {steps} steps, images: {pictures} – together that's too much for one request. {hint}",
        width=size.width,
        height=size.height,
        steps=size.steps,
        pictures=size.count,
        hint=_less_work(size, limits),
    )


def _less_work(size: RunSize, limits: Limits) -> Message:
    """Suggest what would be accepted: fewer images, else fewer steps, else a smaller size."""
    pictures = limits.max_work // (size.pixels * max(1, size.steps))
    if pictures:
        return n_(
            "One image at a time would be fine.",
            "Up to {count} images at a time would be fine.",
            pictures,
        )
    steps = limits.max_work // size.pixels
    if steps and size.steps:
        return n_("One image with 1 step would be fine.", "One image with {count} steps would be fine.", steps)
    return _("Please ask for a smaller size.")


def _text(request: AdmissionRequest, limits: Limits) -> Message | None:
    if request.text_length <= limits.max_text:
        return None
    return _(
        "Your text is {length} characters long; the limit is {limit}. Please shorten it.",
        length=request.text_length,
        limit=limits.max_text,
    )


def _waiting(request: AdmissionRequest, limits: Limits) -> Message | None:
    if request.waiting < limits.max_waiting_per_member:
        return None
    return n_(
        "You already have a request in the queue, and the limit is 1. Please wait until it has started.",
        "You already have {waiting} requests in the queue (limit: {count}). Please wait until some have started.",
        limits.max_waiting_per_member,
        waiting=request.waiting,
    )


_RULES: tuple[Callable[[AdmissionRequest, Limits], Message | None], ...] = (
    _text,
    _size,
    _steps,
    _count,
    _work,
    _waiting,
)
