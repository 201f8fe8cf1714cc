"""Image nodes."""

import asyncio
import math

from PIL import Image as Pillow
from PIL import ImageChops, ImageFilter, ImageOps
from PIL.Image import Image

from bot.sandbox.comfyui.files import OutsideError
from bot.sandbox.comfyui.nodes.call import Context, Inputs, NodeFailedError, Result
from bot.sandbox.comfyui.nodes.resize import resized, scaled_size
from bot.sandbox.comfyui.values import Masks, Pictures, UpscaleModel

_MEGAPIXEL = 1024 * 1024
_SERVER_INPUT = "/opt/ComfyUI/input"
"""A path as real servers reveal it in error messages."""
_CHANNELS = {"red": 0, "green": 1, "blue": 2, "alpha": 3}


def empty_image(inputs: Inputs, context: Context) -> Result:
    """EmptyImage: one colour."""
    size = inputs.int("width"), inputs.int("height")
    context.require_memory(*size, inputs.int("batch_size"))
    red, green, blue = inputs.int("color").to_bytes(3, "big")
    return Result((Pictures((Pillow.new("RGB", size, (red, green, blue)),) * inputs.int("batch_size")),))


def load_image(inputs: Inputs, context: Context) -> Result:
    """LoadImage. The mask is white where the image is transparent."""
    return _with_mask(_opened(inputs.text("image"), context))


def load_image_output(inputs: Inputs, context: Context) -> Result:
    """LoadImageOutput: like LoadImage, from the output folder."""
    value = inputs.text("image")
    return _with_mask(_opened(value if value.endswith("]") else f"{value} [output]", context))


def _with_mask(picture: Image) -> Result:
    alpha = picture.getchannel("A") if "A" in picture.getbands() else Pillow.new("L", picture.size, 255)
    return Result((Pictures((picture.convert("RGB"),)), Masks((ImageOps.invert(alpha),))))


def load_mask(inputs: Inputs, context: Context) -> Result:
    """LoadImageMask: one channel; alpha is inverted, as above."""
    channel = inputs.text("channel")
    picture = _opened(inputs.text("image"), context).convert("RGBA").getchannel(_CHANNELS[channel])
    return Result((Masks((ImageOps.invert(picture) if channel == "alpha" else picture,)),))


def _opened(value: str, context: Context) -> Image:
    shown = f"'{_SERVER_INPUT}/{value}'"
    try:
        path = context.folders.loadable(value)
        with Pillow.open(path) as picture:
            context.require_memory(*picture.size)
            return ImageOps.exif_transpose(picture).convert("RGBA" if "A" in picture.getbands() else "RGB")
    except Pillow.UnidentifiedImageError as error:
        raise NodeFailedError(f"cannot identify image file {shown}", "PIL.UnidentifiedImageError") from error
    except (OutsideError, FileNotFoundError) as error:
        raise NodeFailedError(f"[Errno 2] No such file or directory: {shown}", "FileNotFoundError") from error


def invert(inputs: Inputs, _context: Context) -> Result:
    """ImageInvert."""
    return Result((Pictures(tuple(ImageOps.invert(image) for image in inputs.images())),))


def scale(inputs: Inputs, context: Context) -> Result:
    """ImageScale."""
    size = scaled_size(inputs.images()[0].size, inputs.int("width"), inputs.int("height"))
    return _scaled(inputs, size, context, crop=inputs.text("crop") == "center")


def scale_by(inputs: Inputs, context: Context) -> Result:
    """ImageScaleBy."""
    width, height = inputs.images()[0].size
    factor = inputs.float("scale_by")
    return _scaled(inputs, (max(1, round(width * factor)), max(1, round(height * factor))), context)


def scale_to_total_pixels(inputs: Inputs, context: Context) -> Result:
    """ImageScaleToTotalPixels."""
    width, height = inputs.images()[0].size
    factor = math.sqrt(inputs.float("megapixels") * _MEGAPIXEL / (width * height))
    step = int(inputs.get("resolution_steps", 1))
    size = (max(step, round(width * factor / step) * step), max(step, round(height * factor / step) * step))
    return _scaled(inputs, size, context)


def _scaled(inputs: Inputs, size: tuple[int, int], context: Context, *, crop: bool = False) -> Result:
    images = inputs.images()
    context.require_memory(*size, len(images))
    method = inputs.text("upscale_method")
    return Result((Pictures(tuple(resized(image, size, method=method, crop=crop) for image in images)),))


async def upscale_with_model(inputs: Inputs, context: Context) -> Result:
    """ImageUpscaleWithModel: enlarges and slightly sharpens, with as many progress steps as a real server has tiles."""
    model, images = inputs["upscale_model"], inputs.images()
    if not isinstance(model, UpscaleModel):
        raise NodeFailedError("'str' object has no attribute 'scale'", "AttributeError")
    size = images[0].width * model.factor, images[0].height * model.factor
    context.require_memory(*size, len(images))
    larger: list[Image] = []
    for number, image in enumerate(images, start=1):
        larger.append(await asyncio.to_thread(_enlarged, image, size))
        await context.ticker.tick(number, len(images))
    return Result((Pictures(tuple(larger)),))


def _enlarged(image: Image, size: tuple[int, int]) -> Image:
    return resized(image, size).filter(ImageFilter.UnsharpMask(radius=2, percent=60, threshold=2))


def batch(inputs: Inputs, context: Context) -> Result:
    """ImageBatch: the second image is scaled to the first."""
    first, second = inputs.images("image1"), inputs.images("image2")
    context.require_memory(*first[0].size, len(first) + len(second))
    return Result((Pictures((*first, *(resized(image, first[0].size, crop=True) for image in second))),))


def crop(inputs: Inputs, _context: Context) -> Result:
    """ImageCrop; the box is limited to the image."""
    images = inputs.images()
    left, top = min(inputs.int("x"), images[0].width - 1), min(inputs.int("y"), images[0].height - 1)
    right = min(left + inputs.int("width"), images[0].width)
    bottom = min(top + inputs.int("height"), images[0].height)
    return Result((Pictures(tuple(image.crop((left, top, right, bottom)) for image in images)),))


def pad_for_outpaint(inputs: Inputs, context: Context) -> Result:
    """ImagePadForOutpaint: a grey border, and a mask that is white there."""
    left, top, right, bottom = (inputs.int(name) for name in ("left", "top", "right", "bottom"))
    images = inputs.images()
    width, height = images[0].size
    size = width + left + right, height + top + bottom
    context.require_memory(*size, len(images))
    padded: list[Image] = []
    for image in images:
        canvas = Pillow.new("RGB", size, (128, 128, 128))
        canvas.paste(image, (left, top))
        padded.append(canvas)
    mask = Pillow.new("L", size, 255)
    mask.paste(0, (left, top, left + width, top + height))
    feather = min(inputs.int("feathering"), width // 2, height // 2)
    soft = ImageChops.lighter(mask, mask.filter(ImageFilter.BoxBlur(feather / 2))) if feather else mask
    return Result((Pictures(tuple(padded)), Masks((soft,))))


def _overlay(first: Image, second: Image, mode: str) -> Image:
    modes = {
        "multiply": ImageChops.multiply,
        "screen": ImageChops.screen,
        "overlay": ImageChops.overlay,
        "soft_light": ImageChops.soft_light,
        "difference": ImageChops.difference,
    }
    return modes[mode](first, second) if mode in modes else second


def blend(inputs: Inputs, _context: Context) -> Result:
    """ImageBlend."""
    first, second = inputs.images("image1"), inputs.images("image2")
    factor, mode = inputs.float("blend_factor"), inputs.text("blend_mode")
    other = resized(second[0], first[0].size, crop=True)
    return Result((Pictures(tuple(Pillow.blend(one, _overlay(one, other, mode), factor) for one in first)),))


def composite_masked(inputs: Inputs, _context: Context) -> Result:
    """ImageCompositeMasked: pastes the source where the mask, scaled to it, is white."""
    below, above = inputs.images("destination"), inputs.images("source")
    masks = inputs.masks() if inputs.get("mask") is not None else ()
    corner = inputs.int("x"), inputs.int("y")
    made: list[Image] = []
    for number, picture in enumerate(below):
        canvas = picture.copy()
        source = above[number % len(above)]
        source = resized(source, canvas.size) if inputs["resize_source"] else source
        mask = resized(masks[number % len(masks)], source.size, method="bilinear") if masks else None
        canvas.paste(source, corner, mask)
        made.append(canvas)
    return Result((Pictures(tuple(made)),))
