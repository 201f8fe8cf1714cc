"""Pictures for tests, built here: sound ones, strange ones, and ones that were made to do harm."""

import random
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

from bot.workflow.run.events import InputFile


def encoded(picture: Image.Image, media: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, media, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def frame_count(picture: Image.Image) -> int:
    return int(getattr(picture, "n_frames", 1))


def pixel(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """Return the bands of a pixel of a picture with several, or the only one."""
    value = picture.getpixel((x, y))
    assert value is not None
    return value if isinstance(value, tuple) else (int(value),)


def noise(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Image.Image:
    """A picture that no encoder makes small."""
    return Image.frombytes(mode, (width, height), random.Random(seed).randbytes(width * height * len(mode)))


def gradient(width: int, height: int) -> Image.Image:
    """A picture as smooth as a photograph."""
    red = Image.linear_gradient("L").resize((width, height))
    green = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (red, green, red.transpose(Image.Transpose.ROTATE_90).resize((width, height))))


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_that_claims(width: int, height: int) -> bytes:
    """A tiny file whose header promises a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def with_png_chunk(data: bytes, kind: bytes, payload: bytes) -> bytes:
    """Put a chunk behind the header."""
    return data[:33] + png_chunk(kind, payload) + data[33:]


def exif(orientation: int = 1, description: str = "taken at home") -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = description
    return tags.tobytes()


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def input_file(picture: Image.Image) -> InputFile:
    return InputFile("cc_test.png", encoded(picture), *picture.size)
