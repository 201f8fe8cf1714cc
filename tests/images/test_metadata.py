import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bot.images.file_type import (
    GIF,
    JPEG,
    PNG,
    UNKNOWN,
    WEBP,
    FileType,
)
from bot.images.metadata import strip_metadata
from tests.images.samples import (
    encoded,
    exif,
    frame_count,
    gradient,
    noise,
    opened,
    png_chunk,
    srgb_profile,
    with_png_chunk,
)

SECRET = b"secret"


def as_comfyui_saves(picture: Image.Image) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", '{"3": {"inputs": {"text": "secret"}}}')
    info.add_text("workflow", '{"nodes": ["secret"]}', zip=True)
    info.add_itxt("more", "secret")
    return encoded(picture, pnginfo=info)


def test_a_result_of_comfyui_loses_its_graph_and_nothing_else() -> None:
    picture = noise(32, 32, "RGBA")
    clean = strip_metadata(as_comfyui_saves(picture), PNG)
    assert clean == encoded(picture)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"caBX", b"comf", b"prVt"])
def test_chunks_that_are_not_picture_go(kind: bytes) -> None:
    plain = encoded(noise(8, 8))
    assert strip_metadata(with_png_chunk(plain, kind, SECRET), PNG) == plain


def test_what_stands_behind_the_end_goes() -> None:
    plain = encoded(noise(8, 8))
    assert strip_metadata(plain + b"PK secret", PNG) == plain


def test_profile_palette_and_transparency_stay() -> None:
    data = encoded(gradient(16, 16).quantize(8), transparency=3, icc_profile=srgb_profile())
    assert strip_metadata(data, PNG) == data


@pytest.mark.parametrize(("kind", "media"), [("PNG", PNG), ("WEBP", WEBP)])
def test_animations_keep_all_frames(kind: str, media: FileType) -> None:
    frames = [noise(16, 16, seed=seed) for seed in range(5)]
    options = {"exif": exif(description="secret")} | ({"lossless": True} if kind == "WEBP" else {})
    clean = strip_metadata(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options), media)
    assert SECRET not in clean
    result = opened(clean)
    assert frame_count(result) == 5
    for index, frame in enumerate(frames):
        result.seek(index)
        assert result.convert("RGB").tobytes() == frame.tobytes()


def test_webp_loses_exif_and_xmp_and_keeps_its_profile() -> None:
    data = encoded(
        noise(17, 17), "WEBP", exif=exif(description="secret"), xmp=b"<x>secret</x>", icc_profile=srgb_profile()
    )
    clean = strip_metadata(data, WEBP)
    assert SECRET not in clean
    assert struct.unpack("<I", clean[4:8])[0] == len(clean) - 8
    result = opened(clean)
    assert result.info["icc_profile"] == srgb_profile()
    assert result.tobytes() == opened(data).tobytes()
    assert clean[20] & 0x0C == 0


def test_jpeg_loses_all_but_picture_and_profile() -> None:
    data = encoded(
        gradient(40, 40),
        "JPEG",
        exif=exif(description="secret"),
        comment="secret",
        xmp=b"<x>secret</x>",
        icc_profile=srgb_profile(),
    )
    clean = strip_metadata(data, JPEG)
    assert SECRET not in clean
    assert b"Exif" not in clean
    result = opened(clean)
    assert result.info["icc_profile"] == srgb_profile()
    assert result.tobytes() == opened(data).tobytes()


def test_cmyk_jpeg_keeps_the_marker_that_its_colours_need() -> None:
    data = encoded(gradient(16, 16).convert("CMYK"), "JPEG")
    assert opened(strip_metadata(data, JPEG)).tobytes() == opened(data).tobytes()


@pytest.mark.parametrize("turned", range(2, 9))
def test_a_jpeg_that_lies_on_its_side_still_says_so(turned: int) -> None:
    clean = strip_metadata(encoded(gradient(16, 8), "JPEG", exif=exif(turned, "secret")), JPEG)
    assert SECRET not in clean
    assert dict(opened(clean).getexif()) == {0x0112: turned}


def test_other_files_are_left_alone() -> None:
    gif = encoded(noise(4, 4).quantize(4), "GIF", comment=b"kept")
    assert strip_metadata(gif, GIF) == gif
    assert strip_metadata(b"anything", UNKNOWN) == b"anything"


@given(
    st.sampled_from([(PNG, "PNG"), (WEBP, "WEBP"), (JPEG, "JPEG")]),
    st.integers(0, 600),
    st.binary(max_size=40),
)
@settings(deadline=None, max_examples=80)
def test_damaged_files_raise_nothing(kind: tuple[FileType, str], cut: int, tail: bytes) -> None:
    media, name = kind
    data = encoded(gradient(12, 12), name, exif=exif(6))
    assert isinstance(strip_metadata(data[:cut] + tail, media), bytes)


def test_a_truncated_png_loses_its_graph_too() -> None:
    data = with_png_chunk(encoded(noise(32, 32)), b"tEXt", b"prompt\0secret")[:-500]
    clean = strip_metadata(data, PNG)
    assert SECRET not in clean
    assert data.endswith(clean[-100:])


def test_chunks_that_claim_impossible_lengths_end_the_walk() -> None:
    data = b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffIHDR" + png_chunk(b"tEXt", SECRET)
    assert strip_metadata(data, PNG) == data
