"""What members attach: sound pictures arrive as they are, everything else is one clear sentence."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from bot.errors import InputError
from bot.images.input import InputLimits, check_size, prepare_input
from tests.images.samples import (
    encoded,
    exif,
    gradient,
    noise,
    opened,
    pixel,
    png_chunk,
    png_that_claims,
    srgb_profile,
    with_png_chunk,
)

LIMITS = InputLimits()
MIB = 1024 * 1024

AS_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation → how a camera that writes it has stored an upright picture."""


def taken(data: bytes) -> Image.Image:
    """Take a picture in and look at it as a server would."""
    file = prepare_input(data, LIMITS)
    picture = opened(file.data)
    assert picture.size == (file.width, file.height)
    return picture


def refused(data: bytes, limits: InputLimits = LIMITS) -> str:
    with pytest.raises(InputError) as caught:
        prepare_input(data, limits)
    return str(caught.value)


# ------------------------------------------------------------------ sound pictures


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["RGB", "RGBA"]), st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
def test_pixels_stay_intact_also_under_transparent_parts(width: int, height: int, mode: str, seed: int) -> None:
    picture = noise(width, height, mode, seed)
    result = taken(encoded(picture))
    assert result.mode == mode
    assert result.tobytes() == picture.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 8192), (8192, 1), (4096, 2)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    picture = noise(*size)
    assert taken(encoded(picture)).tobytes() == picture.tobytes()


@pytest.mark.parametrize("media", ["PNG", "BMP", "WEBP", "GIF", "JPEG", "AVIF"])
def test_every_accepted_format_is_decoded(media: str) -> None:
    picture = gradient(64, 48)
    options = {"lossless": True} if media == "WEBP" else {}
    data = encoded(picture, media, **options)
    assert ImageChops.difference(taken(data), opened(data).convert("RGB")).getbbox() is None


def test_the_name_comes_from_the_content() -> None:
    first, again, other = (prepare_input(encoded(noise(9, 9, seed=seed)), LIMITS) for seed in (1, 1, 2))
    assert first == again
    assert first.name != other.name
    assert first.name.startswith("cc_")
    assert first.name.endswith(".png")
    assert first.name.isascii()
    assert len(first.name) < 60


def test_the_same_pixels_in_another_file_have_the_same_name() -> None:
    picture = noise(20, 20)
    plain = prepare_input(encoded(picture), LIMITS)
    other = prepare_input(encoded(picture, "WEBP", lossless=True), LIMITS)
    assert plain == other


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("media", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_orientation_is_applied(turned: int, media: str) -> None:
    upright = Image.new("RGB", (64, 32), "black")
    upright.paste("red", (0, 0, 32, 16))  # the top left quarter
    stored = upright if turned == 1 else upright.transpose(AS_STORED[turned])
    result = taken(encoded(stored, media, exif=exif(turned)))
    assert result.size == (64, 32)
    red, _green, _blue = result.split()
    assert pixel(red, 8, 8) > (200,)
    assert [pixel(red, *at) < (60,) for at in ((56, 8), (8, 28), (56, 28))] == [True] * 3


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on damaged tags
@pytest.mark.parametrize(
    "block", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_a_damaged_exif_block_does_not_cost_the_picture(block: bytes) -> None:
    assert taken(encoded(gradient(16, 8), "JPEG", exif=block)).size == (16, 8)


@pytest.mark.parametrize("media", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_metadata_is_removed(media: str) -> None:
    data = encoded(
        gradient(32, 32), media, exif=exif(1, "a secret place"), icc_profile=srgb_profile(), xmp=b"<x>secret</x>"
    )
    result = prepare_input(data, LIMITS).data
    assert b"secret" not in result
    assert b"iCCP" not in result
    assert opened(result).info == {}


def test_text_chunks_and_whatever_hides_behind_the_picture_are_removed() -> None:
    data = with_png_chunk(encoded(noise(8, 8)), b"tEXt", b"prompt\0{secret}") + b"PK\x03\x04 a secret archive"
    assert b"secret" not in prepare_input(data, LIMITS).data


def test_an_srgb_profile_changes_no_pixel() -> None:
    picture = noise(30, 30)
    assert taken(encoded(picture, icc_profile=srgb_profile())).tobytes() == picture.tobytes()


def test_another_profile_is_converted_and_alpha_kept() -> None:
    swapped = srgb_profile().replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 77))
    red, green, _blue, alpha = pixel(taken(encoded(picture, icc_profile=swapped)), 0, 0)
    assert green > 200 > red
    assert alpha == 77


@pytest.mark.parametrize("profile", [b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_an_unusable_profile_is_ignored(profile: bytes) -> None:
    picture = noise(8, 8)
    assert taken(encoded(picture, icc_profile=profile)).tobytes() == picture.tobytes()


# ------------------------------------------------------------------ strange modes


def test_grey_becomes_colour() -> None:
    grey = noise(16, 16, "L")
    assert taken(encoded(grey)).tobytes() == grey.convert("RGB").tobytes()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    samples = (0, 255, 256, 0x7FFF, 0x8000, 0xFFFF)
    deep = Image.frombytes("I;16", (6, 1), struct.pack("<6H", *samples))
    assert [pixel[0] for pixel in pixels_of(taken(encoded(deep)))] == [sample >> 8 for sample in samples]


def test_palette_without_transparency() -> None:
    picture = gradient(32, 32).quantize(16)
    result = taken(encoded(picture))
    assert result.mode == "RGB"
    assert result.tobytes() == picture.convert("RGB").tobytes()


def test_palette_with_transparency_keeps_the_colours_beneath() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    result = taken(encoded(picture, transparency=bytes([0, 128])))
    assert pixels_of(result) == [(10, 20, 30, 0), (40, 50, 60, 128)]


def test_a_transparent_colour_keeps_its_colour() -> None:
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((1, 0), (9, 8, 7))
    assert pixels_of(taken(encoded(picture, transparency=(1, 2, 3)))) == [(1, 2, 3, 0), (9, 8, 7, 255)]


def test_grey_with_alpha() -> None:
    picture = noise(5, 5, "LA")
    assert taken(encoded(picture)).tobytes() == picture.convert("RGBA").tobytes()


def test_black_and_white() -> None:
    assert pixels_of(taken(encoded(Image.new("1", (1, 2), 1)))) == [(255, 255, 255)] * 2


def test_cmyk_becomes_rgb() -> None:
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = pixel(taken(encoded(picture, "JPEG", quality=95)), 4, 4)
    assert red > 240
    assert max(green, blue) < 15


def test_of_an_animation_the_first_frame_is_taken_at_once() -> None:
    frames = [Image.new("P", (8, 8), index % 200) for index in range(1000)]
    for frame in frames:
        frame.putpalette([value for level in range(256) for value in (level, 0, 255 - level)])
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0)
    assert pixels_of(taken(data))[0] == (0, 0, 255)


@pytest.mark.parametrize("media", ["PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_other_animations(media: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black", "black")]
    data = encoded(frames[0], media, save_all=True, append_images=frames[1:])
    assert min(pixel(taken(data), 3, 3)) > 250


def test_of_a_phone_s_picture_with_a_second_view_the_first_is_taken() -> None:
    first, second = Image.new("RGB", (32, 32), "white"), Image.new("RGB", (32, 32), "black")
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert min(pixel(taken(data), 3, 3)) > 250


# ------------------------------------------------------------------ what is refused


def test_nothing_is_refused() -> None:
    assert "empty" in refused(b"")


def test_too_many_bytes_are_refused_before_anything_else() -> None:
    text = refused(bytes(2 * MIB), InputLimits(bytes=MIB))
    assert "2.0 MB" in text
    assert "1.0 MB" in text


def test_size_can_be_checked_before_the_download() -> None:
    check_size(LIMITS.bytes, LIMITS)
    with pytest.raises(InputError, match="the limit is"):
        check_size(LIMITS.bytes + 1, LIMITS)


def test_forty_megapixels_are_refused_from_the_header() -> None:
    text = refused(png_that_claims(8000, 5000))
    assert "8000 × 5000" in text
    assert "40.00 MP" in text
    assert "16.78 MP" in text


def test_a_long_strip_is_refused() -> None:
    assert "8192" in refused(png_that_claims(10_000, 10))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("size", "unit"),
    [((30_000, 30_000), "pixels"), ((2**31 - 1, 2**31 - 1), "pixels"), ((12_000, 12_000), "144.00 MP")],
)
def test_decompression_bombs_are_refused_in_words(size: tuple[int, int], unit: str) -> None:
    assert unit in refused(png_that_claims(*size))


def test_a_webp_that_claims_a_huge_canvas() -> None:
    canvas = (16_383).to_bytes(3, "little") * 2
    data = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas + b"VP8L" + struct.pack("<I", 4) + b"\x2f\0\0\0"
    assert refused(b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data)


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (0, 0)])
def test_a_picture_without_pixels(size: tuple[int, int]) -> None:
    assert refused(png_that_claims(*size))


@pytest.mark.parametrize(
    "data",
    [
        b"this is a text that was renamed to .png",
        b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"MZ" + b"\0" * 100,
        encoded(noise(4, 4), "TIFF"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_bytes(data: bytes) -> None:
    assert "PNG, JPEG, WebP" in refused(data)


@pytest.mark.parametrize("media", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_truncated_pictures_are_refused(media: str, kept: float) -> None:
    data = encoded(noise(64, 64), media)
    assert "damaged" in refused(data[: int(len(data) * kept)])


def test_a_header_alone_is_refused() -> None:
    assert "damaged" in refused(b"\x89PNG\r\n\x1a\n")


def test_a_zip_bomb_in_a_text_chunk_is_no_danger() -> None:
    bomb = b"prompt\0\0" + zlib.compress(b"\0" * 50_000_000)
    data = with_png_chunk(encoded(noise(8, 8)), b"zTXt", bomb)
    try:
        file = prepare_input(data, LIMITS)
    except InputError:
        return
    assert len(file.data) < 2000


def test_a_picture_that_unpacks_to_more_than_it_said() -> None:
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 30_000_000)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
    assert taken(data).size == (2, 2)


SEEDS = [encoded(noise(24, 24), media) for media in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF")]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on damaged tags
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=20))
@settings(deadline=None, max_examples=100)
def test_damaged_bytes_give_a_picture_or_a_sentence(data: bytes, damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in damage:
        damaged[at % len(damaged)] = value
    try:
        file = prepare_input(bytes(damaged), LIMITS)
    except InputError:
        return
    assert file.width * file.height <= LIMITS.pixels


def pixels_of(picture: Image.Image) -> list[tuple[int, ...]]:
    return [pixel(picture, x, y) for y in range(picture.height) for x in range(picture.width)]
