"""One door to the two methods of Pillow whose stubs name types of numpy, which is not installed."""

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
    """Return an "L" picture with each level replaced by `curve` of it, kept within 0 to 255."""
    table = [min(255, max(0, round(curve(level)))) for level in range(256)]
    return image.point(table)  # pyright: ignore[reportUnknownMemberType] - see above


def tinted(image: Image, color: tuple[int, int, int], strength: float = 1.0) -> Image:
    """Return the light that an "L" picture throws in `color`."""
    return Pillow.merge("RGB", [_dimmed(image, part * strength / 255) for part in color])


def _dimmed(image: Image, factor: float) -> Image:
    return leveled(image, lambda level: level * factor)
