"""Latent nodes."""

from dataclasses import replace

from PIL import Image as Pillow
from PIL import ImageFilter
from PIL.Image import Image

from bot.sandbox.comfyui.nodes.call import Context, Inputs, Result
from bot.sandbox.comfyui.nodes.resize import resized, scaled_size
from bot.sandbox.comfyui.values import Latent, Pictures

_CELL = 8
"""A latent has one cell per 8 pixels; sizes are rounded down to that."""


def empty_latent(inputs: Inputs, context: Context) -> Result:
    """EmptyLatentImage, EmptySD3LatentImage."""
    width, height = (inputs.int(name) // _CELL * _CELL for name in ("width", "height"))
    context.require_memory(width, height, inputs.int("batch_size"))
    return Result((Latent(width, height, inputs.int("batch_size")),))


def encode(inputs: Inputs, _context: Context) -> Result:
    """VAEEncode."""
    return Result((_encoded(inputs.images("pixels")),))


def encode_for_inpaint(inputs: Inputs, _context: Context) -> Result:
    """VAEEncodeForInpaint."""
    latent = _encoded(inputs.images("pixels"))
    grow = inputs.int("grow_mask_by")
    mask = resized(inputs.masks()[0], (latent.width, latent.height))
    if grow:
        mask = mask.filter(ImageFilter.MaxFilter(grow // 2 * 2 + 1))
    return Result((replace(latent, mask=mask),))


def set_noise_mask(inputs: Inputs, _context: Context) -> Result:
    """SetLatentNoiseMask."""
    return Result((replace(inputs.latent(), mask=inputs.masks()[0]),))


def decode(inputs: Inputs, _context: Context) -> Result:
    """VAEDecode; a latent that was not sampled becomes grey."""
    latent = inputs.latent()
    return Result((Pictures(latent.pictures or (_grey(latent),) * latent.batch),))


def repeat(inputs: Inputs, context: Context) -> Result:
    """RepeatLatentBatch."""
    latent, amount = inputs.latent(), inputs.int("amount")
    context.require_memory(latent.width, latent.height, latent.batch * amount)
    return Result((replace(latent, batch=latent.batch * amount, pictures=latent.pictures * amount),))


def upscale(inputs: Inputs, context: Context) -> Result:
    """LatentUpscale."""
    latent = inputs.latent()
    size = scaled_size((latent.width, latent.height), inputs.int("width"), inputs.int("height"))
    return _scaled(latent, size, inputs.text("crop") == "center", context)


def upscale_by(inputs: Inputs, context: Context) -> Result:
    """LatentUpscaleBy."""
    latent, factor = inputs.latent(), inputs.float("scale_by")
    size = (max(_CELL, round(latent.width * factor)), max(_CELL, round(latent.height * factor)))
    return _scaled(latent, size, False, context)


def _scaled(latent: Latent, size: tuple[int, int], crop: bool, context: Context) -> Result:
    width, height = (max(_CELL, side // _CELL * _CELL) for side in size)
    context.require_memory(width, height, latent.batch)
    pictures = tuple(resized(picture, (width, height), crop=crop) for picture in latent.pictures)
    return Result((replace(latent, width=width, height=height, pictures=pictures),))


def _encoded(images: tuple[Image, ...]) -> Latent:
    width, height = (max(_CELL, side // _CELL * _CELL) for side in images[0].size)
    pictures = tuple(resized(image, (width, height), crop=True) for image in images)
    return Latent(width, height, len(pictures), pictures)


def _grey(latent: Latent) -> Image:
    return Pillow.new("RGB", (latent.width, latent.height), (128, 128, 128))
