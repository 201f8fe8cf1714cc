"""Compresses an image that is too large: first at lower quality, then at a smaller size.

Opaque images become JPEG, which takes a tenth of WebP's time and keeps full colour resolution; those with transparency
become WebP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import sqrt

from PIL import Image

from bot.images.file_type import JPEG, WEBP, FileType

_QUALITIES = (95, 90, 80)
_FULL_CHROMA_QUALITY = 90
"""From this JPEG quality on, chroma is not subsampled."""

_MAX_STEPS = 8
_MARGIN = 0.95
"""Small images have more bytes per pixel, so aim slightly below the limit."""
_MAX_STEP_SCALE = 0.9
"""Each step scales the sides by at most this factor, so that the size always decreases."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """An encoded image within the limit."""

    data: bytes
    file_type: FileType
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Codec:
    file_type: FileType
    mode: str
    encode: Callable[[Image.Image, int], bytes]
    max_side: int
    max_pixels: int

    def prepare(self, picture: Image.Image) -> Image.Image:
        """Scale an image down to the encoder's limits."""
        width, height = picture.size
        scale = min(1.0, self.max_side / max(width, height), sqrt(self.max_pixels / (width * height)))
        return _scaled(picture.convert(self.mode), scale)


def compress(picture: Image.Image, limit: int) -> Rendition | None:
    """Encode RGB or RGBA pixels in at most `limit` bytes; None when even a thumbnail would not fit."""
    codec = _WEBP if _has_alpha(picture) else _JPEG
    largest = codec.prepare(picture)
    data = b""
    for quality in _QUALITIES:
        data = codec.encode(largest, quality)
        if len(data) <= limit:
            return Rendition(data, codec.file_type, *largest.size)
    scale = 1.0
    for _step in range(_MAX_STEPS):
        scale *= min(_MAX_STEP_SCALE, sqrt(limit / len(data)) * _MARGIN)
        image = _scaled(largest, scale)
        data = codec.encode(image, _QUALITIES[-1])
        if len(data) <= limit:
            return Rendition(data, codec.file_type, *image.size)
    return None


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale >= 1:
        return picture
    size = max(1, int(picture.width * scale)), max(1, int(picture.height * scale))
    lanczos = Image.Resampling.LANCZOS
    return picture.resize(size, lanczos, reducing_gap=3.0)  # pyright: ignore[reportUnknownMemberType] # numpy's types


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)


def _encode_jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    subsampling = "4:4:4" if quality >= _FULL_CHROMA_QUALITY else "4:2:0"
    picture.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def _encode_webp(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()


_JPEG = _Codec(JPEG, "RGB", _encode_jpeg, max_side=65_500, max_pixels=100_000_000)
_WEBP = _Codec(WEBP, "RGBA", _encode_webp, max_side=16_383, max_pixels=2048 * 2048)
"""Pillow holds the GIL while it passes pixels to the WebP encoder, 3 ns each: this many take 13 ms."""
