"""Inpainting masks. ComfyUI reads the mask from the alpha channel: mask = 1 - alpha.

Members erase a part of the image, or attach a mask that is white there or transparent there.
"""

from io import BytesIO

from PIL import Image, ImageChops

from bot.errors import InputError
from bot.i18n import _
from bot.images.input import to_input
from bot.workflow.run.events import InputFile

_MAX_BLACK_LEVEL = 15
"""Levels up to which a mask counts as empty: black saved as JPEG is not quite black."""


def apply_mask(image: InputFile, mask: InputFile) -> InputFile:
    """Return `image` with the selected part made transparent and its colours kept.

    The mask's transparent parts are selected if it has any, otherwise its white parts. The mask is stretched to the
    size of the image and replaces its transparency. Raises `InputError` when nothing is selected.
    """
    picture = _open(image)
    selected = _stretched(_selection(_open(mask)), picture.size)
    if _brightest(selected) <= _MAX_BLACK_LEVEL:
        raise InputError(
            _("That mask is empty. Please paint the part to change white, or erase it, and attach the mask again.")
        )
    picture.putalpha(ImageChops.invert(selected))
    return to_input(picture)


def require_transparency(image: InputFile) -> None:
    """Raise `InputError` unless part of the image is transparent."""
    if not has_transparency(image):
        raise InputError(
            _(
                "That image has no transparent part, so I can't tell what to repaint. Please erase that part and save "
                "it as PNG, or attach a mask: same size, white where the image should change."
            )
        )


def has_transparency(image: InputFile) -> bool:
    """Whether any pixel is not fully opaque."""
    return _has_holes(_open(image))


def _selection(mask: Image.Image) -> Image.Image:
    if _has_holes(mask):
        return ImageChops.invert(mask.getchannel("A"))
    return mask.convert("L")


def _stretched(channel: Image.Image, size: tuple[int, int]) -> Image.Image:
    if channel.size == size:
        return channel
    return channel.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType] # numpy's types


def _has_holes(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and _brightest(ImageChops.invert(picture.getchannel("A"))) > 0


def _brightest(channel: Image.Image) -> float:
    highest = channel.getextrema()[1]
    return max(highest) if isinstance(highest, tuple) else highest


def _open(file: InputFile) -> Image.Image:
    """Decode an image written by `prepare_input`."""
    picture = Image.open(BytesIO(file.data), formats=("PNG",))
    picture.load()
    return picture
