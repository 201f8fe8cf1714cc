"""Makes results fit the upload limit of the place they are sent to.

A file within the limit is sent as the server encoded it, without metadata; larger still images are re-encoded.
"""

from dataclasses import dataclass

from PIL import Image

from bot.errors import InputError
from bot.i18n import _
from bot.images.compress import compress
from bot.images.decode import is_animated, open_image, pixels, reading
from bot.images.file_type import FileType, megabytes, sniff
from bot.images.metadata import strip_metadata

_MAX_PIXELS = 89_000_000
"""Larger results are not decoded: it would take a gigabyte, and Pillow would treat it as a decompression bomb."""


@dataclass(frozen=True, slots=True)
class FittedFile:
    """A file ready to send. `extension` has no dot; width and height are 0 unless it is an image."""

    data: bytes
    extension: str
    content_type: str
    changed: bool = False
    """Whether it was re-encoded."""
    width: int = 0
    height: int = 0


def fit(data: bytes, limit: int) -> FittedFile:
    """Return `data` in at most `limit` bytes, without metadata.

    An intact still image fits any realistic limit. Animations, video and audio are never cut.
    Raises `InputError` when the file cannot be made to fit.
    """
    file_type = sniff(data)
    clean = strip_metadata(data, file_type)
    image = _header(data, file_type)
    if len(clean) <= limit:
        width, height = image.size if image else (0, 0)
        return FittedFile(clean, file_type.extension, file_type.content_type, width=width, height=height)
    picture = _still(image, file_type) if image else None
    compressed = compress(picture, limit) if picture else None
    if compressed is None:
        raise InputError(
            _(
                "The result is too large for this channel: it is {size} MB, and the limit here is {limit} MB.",
                size=megabytes(len(clean)),
                limit=megabytes(limit),
            )
        )
    return FittedFile(
        compressed.data,
        compressed.file_type.extension,
        compressed.file_type.content_type,
        True,
        compressed.width,
        compressed.height,
    )


def _header(data: bytes, file_type: FileType) -> Image.Image | None:
    """Open an image without decoding it; None if it is not an image or damaged."""
    if not file_type.pillow:
        return None
    try:
        with reading():
            return open_image(data, file_type)
    except InputError:
        return None


def _still(image: Image.Image, file_type: FileType) -> Image.Image | None:
    """Decode an image that can be re-encoded; None for animations, damaged and very large images."""
    if image.width * image.height > _MAX_PIXELS:
        return None
    try:
        with reading():
            return None if is_animated(image, file_type) else pixels(image)
    except InputError:
        return None
