"""Pictures that members attach, checked and made harmless before a server sees them.

What leaves here is a PNG written by us: no metadata, nothing hidden behind the picture, no name from outside, and every
pixel as it was.
"""

import hashlib
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from bot.errors import InputError
from bot.i18n import Message, _
from bot.images.decode import open_picture, pixels, reading
from bot.images.media import megabytes, sniff
from bot.workflow.execution import InputFile

_MEGA = 1_000_000
_FAST = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""On photographs a third faster than zlib's default strategy, and smaller."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """What a picture may be before it is decoded. Of an animation only the first frame is read."""

    bytes: int = 25 * 1024 * 1024
    pixels: int = 4096 * 4096
    side: int = 8192


def check_size(size: int, limits: IntakeLimits) -> None:
    """Refuse a file by its length in bytes, which is known before it is downloaded. Raises `InputError`."""
    if size <= 0:
        raise InputError(_("That attachment is empty. Please attach a {formats} picture.", formats=_formats()))
    if size > limits.bytes:
        raise InputError(
            _(
                "That picture has {size} MB; at most {limit} MB can be taken. Please attach a smaller one.",
                size=megabytes(size),
                limit=megabytes(limits.bytes),
            )
        )


def prepare_input(data: bytes, limits: IntakeLimits) -> InputFile:
    """Return the picture in `data` as a clean PNG named by its content. Raises `InputError`."""
    check_size(len(data), limits)
    media = sniff(data)
    if not media.pillow:
        raise InputError(
            _(
                "That attachment is not a picture that I can read. Please attach a {formats} picture.",
                formats=_formats(),
            )
        )
    with reading():
        image = open_picture(data, media)
        _check_pixels(image.width, image.height, limits)
        picture = pixels(image)
    return to_input(picture)


def to_input(picture: Image.Image) -> InputFile:
    """Encode RGB or RGBA pixels, losslessly and without metadata; the same pixels give the same name."""
    buffer = BytesIO()
    picture.save(buffer, "PNG", **_FAST)
    data = buffer.getvalue()
    return InputFile(f"cc_{hashlib.sha256(data).hexdigest()[:40]}.png", data, picture.width, picture.height)


def _check_pixels(width: int, height: int, limits: IntakeLimits) -> None:
    if width * height > limits.pixels:
        raise InputError(
            _(
                "That picture has {width} × {height} pixels, {size} megapixels; at most {limit} megapixels can be "
                "taken. Please scale it down first.",
                width=width,
                height=height,
                size=f"{width * height / _MEGA:.2f}",
                limit=f"{limits.pixels / _MEGA:.2f}",
            )
        )
    if max(width, height) > limits.side:
        raise InputError(
            _(
                "That picture has {width} × {height} pixels; no side may be longer than {limit}. "
                "Please crop it or scale it down first.",
                width=width,
                height=height,
                limit=limits.side,
            )
        )


def _formats() -> Message:
    return _("PNG, JPEG, WebP, GIF, BMP or AVIF")
