"""Decodes untrusted images; the only place that opens them.

Every image becomes 8-bit RGB or RGBA, upright, in sRGB, first frame only. Alpha and the colours under transparent
pixels are kept: ComfyUI paints with those colours after using the alpha channel as a mask.
"""

from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO

from PIL import AvifImagePlugin, ExifTags, Image, WebPImagePlugin

from bot.errors import BotError, InputError
from bot.i18n import _
from bot.images.color import as_rgb, to_srgb
from bot.images.file_type import JPEG, FileType

_PLUGINS = (AvifImagePlugin, WebPImagePlugin)
"""Imported explicitly: otherwise Pillow loads all its plugins (100 ms) at the first such image."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the transposition that undoes it."""


@contextmanager
def reading() -> Generator[None]:
    """Turn any error while an image is being read into an `InputError`."""
    try:
        yield
    except BotError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(_("That image has far too many pixels. Please use a smaller one.")) from error
    except Exception as error:
        # Damaged bytes make Pillow's parsers raise anything: OSError, struct.error, IndexError, MemoryError, …
        raise InputError(
            _("That image is damaged or incomplete, so I can't read it. Please save it again and use the new file.")
        ) from error


def open_image(data: bytes, file_type: FileType) -> Image.Image:
    """Read only the header: size and mode are known, nothing is decoded. Call within `reading()`."""
    return Image.open(BytesIO(data), formats=(file_type.pillow,))


def is_animated(image: Image.Image, file_type: FileType) -> bool:
    """Whether it has more than one frame. Never true for JPEG, where phones append a second view."""
    return file_type is not JPEG and bool(getattr(image, "is_animated", False))


def pixels(image: Image.Image) -> Image.Image:
    """Decode an opened image, dropping everything but pixels. Call within `reading()`; check the size first."""
    image.load()
    picture = image if image.mode == "CMYK" else as_rgb(image)
    picture = as_rgb(to_srgb(picture, image.info.get("icc_profile")))
    turn = _UPRIGHT.get(orientation(image))
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info = {}
    return picture


def orientation(source: Image.Image | bytes) -> int:
    """Return the EXIF orientation (1 to 8) of an image or EXIF block; 1, upright, when there is none."""
    try:
        if isinstance(source, bytes):
            exif = Image.Exif()
            exif.load(source)
        else:
            exif = source.getexif()
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1  # a damaged tag must not make the image unusable
    return value if isinstance(value, int) and value in _UPRIGHT else 1
