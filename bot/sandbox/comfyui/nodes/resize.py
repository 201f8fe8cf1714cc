"""Scales images with the methods that nodes name."""

from PIL.Image import Image, Resampling

from bot.sandbox.comfyui.drawing.pixels import scaled

_METHODS = {
    "nearest-exact": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "area": Resampling.BOX,
    "bicubic": Resampling.BICUBIC,
    "bislerp": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}


def resized(image: Image, size: tuple[int, int], *, method: str = "lanczos", crop: bool = False) -> Image:
    """Scale `image` to `size`; `crop` keeps the aspect ratio by cutting the edges."""
    if image.size == size:
        return image
    box = _middle(image.size, size) if crop else None
    return scaled(image, size, _METHODS.get(method, Resampling.BICUBIC), box)


def scaled_size(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """Return the target size: one zero keeps the aspect ratio, two zeros keep the size."""
    if not width and not height:
        return size
    if not width:
        return max(1, round(size[0] * height / size[1])), height
    if not height:
        return width, max(1, round(size[1] * width / size[0]))
    return width, height


def _middle(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[float, float, float, float]:
    scale = min(size[0] / wanted[0], size[1] / wanted[1])
    width, height = wanted[0] * scale, wanted[1] * scale
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height
