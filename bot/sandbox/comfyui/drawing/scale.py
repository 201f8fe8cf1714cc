"""One door to Pillow's `resize`, whose stub names a type of numpy that is not installed."""

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
