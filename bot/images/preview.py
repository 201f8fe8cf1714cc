"""Shrinks preview images so that they can be sent every other second."""

from io import BytesIO

from PIL import Image

from bot.errors import InputError
from bot.images.decode import open_image, pixels, reading
from bot.images.file_type import sniff

_MAX_SIDE = 512
_MAX_BYTES = 40_000
_QUALITIES = (75, 50, 25)
_MAX_PIXELS = 4096 * 4096


def shrink_preview(data: bytes) -> bytes | None:
    """Return `data` as a JPEG of at most 512 px per side and about 40 kB; None when it cannot be shown.

    Previews are optional: a broken one never affects its job.
    """
    file_type = sniff(data)
    if not file_type.pillow:
        return None
    try:
        with reading():
            image = open_image(data, file_type)
            if image.width * image.height > _MAX_PIXELS:
                return None
            image.draft("RGB", (_MAX_SIDE, _MAX_SIDE))
            picture = pixels(image).convert("RGB")
    except InputError:
        return None
    picture.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.BILINEAR)
    return _encode(picture)


def _encode(picture: Image.Image) -> bytes:
    data = b""
    for quality in _QUALITIES:
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        data = buffer.getvalue()
        if len(data) <= _MAX_BYTES:
            break
    return data
