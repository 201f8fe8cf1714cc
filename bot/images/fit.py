"""Results, made to fit where they are sent.

What fits goes out as the server encoded it, less its metadata; stills that do not are encoded anew.
Knows a limit in bytes, not where it comes from.
"""

from dataclasses import dataclass

from PIL import Image

from bot.errors import InputError
from bot.i18n import _
from bot.images.decode import is_animated, open_picture, pixels, reading
from bot.images.ladder import descend
from bot.images.media import Media, megabytes, sniff
from bot.images.metadata import strip_metadata

_MOST_PIXELS = 89_000_000
"""Larger results are not decoded: that would take a gigabyte, and Pillow would call it an attack."""


@dataclass(frozen=True, slots=True)
class FittedFile:
    """A file ready to be sent. `extension` comes without a dot; width and height are 0 for what is no picture."""

    data: bytes
    extension: str
    content_type: str
    changed: bool = False
    """Whether the pixels are no longer the server's."""
    width: int = 0
    height: int = 0


def fit(data: bytes, limit: int) -> FittedFile:
    """Return `data` in at most `limit` bytes, without metadata.

    A sound still always fits, unless the limit is absurd. Animations, video and sound are never cut.
    Raises `InputError` when it cannot be done.
    """
    media = sniff(data)
    clean = strip_metadata(data, media)
    image = _header(data, media)
    if len(clean) <= limit:
        width, height = image.size if image else (0, 0)
        return FittedFile(clean, media.extension, media.content_type, width=width, height=height)
    picture = _still(image, media) if image else None
    rung = descend(picture, limit) if picture else None
    if rung is None:
        raise InputError(
            _(
                "The result is too large for this channel: it has {size} MB, and {limit} MB can be sent here.",
                size=megabytes(len(clean)),
                limit=megabytes(limit),
            )
        )
    return FittedFile(rung.data, rung.media.extension, rung.media.content_type, True, rung.width, rung.height)


def _header(data: bytes, media: Media) -> Image.Image | None:
    """Open a picture without decoding it; None for what is none, or is damaged."""
    if not media.pillow:
        return None
    try:
        with reading():
            return open_picture(data, media)
    except InputError:
        return None


def _still(image: Image.Image, media: Media) -> Image.Image | None:
    """Decode a picture that may be encoded anew; None for animations, damaged pictures and giants."""
    if image.width * image.height > _MOST_PIXELS:
        return None
    try:
        with reading():
            return None if is_animated(image, media) else pixels(image)
    except InputError:
        return None
