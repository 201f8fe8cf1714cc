"""Which part of a picture is to be repainted: ComfyUI reads it from the alpha channel, as mask = 1 - alpha.

Members say it in one of three ways: they erase that part of the picture, or attach a mask where it is white, or a mask
where it is transparent.
"""

from io import BytesIO

from PIL import Image, ImageChops

from bot.errors import InputError
from bot.i18n import _
from bot.images.intake import to_input
from bot.workflow.execution import InputFile

_BLACK = 15
"""Levels up to which a mask counts as empty: black that was saved as JPEG is not quite black."""


def apply_mask(image: InputFile, mask: InputFile) -> InputFile:
    """Return `image` with the part that `mask` selects made transparent, its colours kept.

    White is repainted; in a mask that has transparent parts of its own, those. The mask is stretched to the size of the
    picture and replaces any transparency that the picture had. Raises `InputError` when nothing is selected.
    """
    picture = _open(image)
    selected = _stretched(_selection(_open(mask)), picture.size)
    if _brightest(selected) <= _BLACK:
        raise InputError(
            _("That mask selects nothing. Please paint white what is to change, or erase it, and attach it again.")
        )
    picture.putalpha(ImageChops.invert(selected))
    return to_input(picture)


def require_transparency(image: InputFile) -> None:
    """Raise `InputError` unless the picture itself says which part is to be repainted."""
    if not has_transparency(image):
        raise InputError(
            _(
                "That picture has no transparent part, so it is not clear what to repaint. Please erase that part and "
                "save it as PNG, or attach a mask as well: a picture of the same size, white where it shall change."
            )
        )


def has_transparency(image: InputFile) -> bool:
    """Say whether any pixel is not fully opaque."""
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
    """Decode what `prepare_input` wrote."""
    picture = Image.open(BytesIO(file.data), formats=("PNG",))
    picture.load()
    return picture
