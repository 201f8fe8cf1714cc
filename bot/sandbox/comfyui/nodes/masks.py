"""Mask nodes."""

from PIL import ImageFilter, ImageOps

from bot.sandbox.comfyui.nodes.call import Context, Inputs, Result
from bot.sandbox.comfyui.values import Masks, Pictures

_CHANNELS = {"red": 0, "green": 1, "blue": 2, "alpha": 3}
MAX_GROWTH = 64
"""Pixels; a limit on the time it takes."""


def image_to_mask(inputs: Inputs, _context: Context) -> Result:
    """ImageToMask."""
    channel = _CHANNELS[inputs.text("channel")]
    return Result((Masks(tuple(image.convert("RGBA").getchannel(channel) for image in inputs.images())),))


def mask_to_image(inputs: Inputs, _context: Context) -> Result:
    """MaskToImage."""
    return Result((Pictures(tuple(mask.convert("RGB") for mask in inputs.masks())),))


def invert_mask(inputs: Inputs, _context: Context) -> Result:
    """InvertMask."""
    return Result((Masks(tuple(ImageOps.invert(mask) for mask in inputs.masks())),))


def grow_mask(inputs: Inputs, _context: Context) -> Result:
    """GrowMask; a negative number shrinks it."""
    expand = max(-MAX_GROWTH, min(inputs.int("expand"), MAX_GROWTH))
    if not expand:
        return Result((Masks(inputs.masks()),))
    size = abs(expand) * 2 + 1
    grow = ImageFilter.MaxFilter(size) if expand > 0 else ImageFilter.MinFilter(size)
    return Result((Masks(tuple(mask.filter(grow) for mask in inputs.masks())),))
