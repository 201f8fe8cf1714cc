"""Wraps the two Pillow methods whose stubs need numpy, which is not installed."""

from collections.abc import Callable

from PIL import Image as Pillow
from PIL.Image import Image, Resampling


def scaled(
    image: Image,
    size: tuple[int, int],
    resample: Resampling = Resampling.BICUBIC,
    box: tuple[float, float, float, float] | None = None,
) -> Image:
    """Return `image`, or the part of it in `box`, scaled to `size` (at least one pixel each way)."""
    wanted = max(1, size[0]), max(1, size[1])
    return image.resize(wanted, resample, box)  # pyright: ignore[reportUnknownMemberType] - see above


def leveled(image: Image, curve: Callable[[int], float]) -> Image:
    """Return an "L" image with each level mapped through `curve` and clamped to 0–255."""
    table = [min(255, max(0, round(curve(level)))) for level in range(256)]
    return image.point(table)  # pyright: ignore[reportUnknownMemberType] - see above


def tinted(image: Image, color: tuple[int, int, int], strength: float = 1.0) -> Image:
    """Return an RGB image of `color`, scaled by an "L" image."""
    return Pillow.merge("RGB", [_dimmed(image, part * strength / 255) for part in color])


def _dimmed(image: Image, factor: float) -> Image:
    return leveled(image, lambda level: level * factor)
