"""From bytes to pixels: the one way in which pictures of others are opened.

Every picture becomes 8-bit RGB or RGBA, upright, in sRGB, first frame only. Alpha, and the colours under transparent
pixels, stay what they were: ComfyUI paints with those colours once it has taken the alpha channel as a mask.
"""

from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO

from PIL import AvifImagePlugin, ExifTags, Image, WebPImagePlugin

from bot.errors import BotError, InputError
from bot.i18n import _
from bot.images.colour import as_rgb, to_srgb
from bot.images.media import JPEG, Media

_PLUGINS = (AvifImagePlugin, WebPImagePlugin)
"""Named so that they are loaded: Pillow would else import all its plugins, 100 ms, at the first such picture."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the turn that undoes it."""


@contextmanager
def reading() -> Generator[None]:
    """Turn whatever goes wrong while a picture is read into an `InputError`."""
    try:
        yield
    except BotError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(_("That picture has far too many pixels. Please use a smaller one.")) from error
    except Exception as error:
        # Pillow's parsers raise whatever damaged bytes make of them: OSError, struct.error, IndexError, MemoryError, …
        raise InputError(
            _("That picture is damaged or incomplete and cannot be read. Please save it again, and use the new file.")
        ) from error


def open_picture(data: bytes, media: Media) -> Image.Image:
    """Read the header: size and mode are known, nothing is decoded yet. Call within `reading()`."""
    return Image.open(BytesIO(data), formats=(media.pillow,))


def is_animated(image: Image.Image, media: Media) -> bool:
    """Say whether there is more than one frame. A JPEG is never: phones put a second view behind the picture."""
    return media is not JPEG and bool(getattr(image, "is_animated", False))


def pixels(image: Image.Image) -> Image.Image:
    """Decode an opened picture into pixels and nothing else. Call within `reading()`; check the size first."""
    image.load()
    picture = image if image.mode == "CMYK" else as_rgb(image)
    picture = as_rgb(to_srgb(picture, image.info.get("icc_profile")))
    turn = _UPRIGHT.get(orientation(image))
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info = {}
    return picture


def orientation(source: Image.Image | bytes) -> int:
    """Return how a picture, or the EXIF block of one, wants to be turned, 1 to 8; 1, upright, when it does not say."""
    try:
        if isinstance(source, bytes):
            exif = Image.Exif()
            exif.load(source)
        else:
            exif = source.getexif()
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1  # a damaged tag must not cost the picture
    return value if isinstance(value, int) and value in _UPRIGHT else 1
