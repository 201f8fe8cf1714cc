import pytest
from PIL import Image

from bot.images.preview import shrink_preview
from tests.images.samples import encoded, exif, gradient, noise, opened, png_that_claims


@pytest.mark.parametrize("media", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(1024, 1024), (2048, 512), (300, 200), (1, 1)])
def test_previews_become_small_jpegs(media: str, size: tuple[int, int]) -> None:
    small = shrink_preview(encoded(gradient(*size), media))
    assert small is not None
    assert len(small) <= 40_000
    picture = opened(small)
    assert picture.format == "JPEG"
    assert max(picture.size) <= 512
    assert abs(picture.width / picture.height - size[0] / size[1]) < 0.05


def test_even_noise_stays_near_the_limit() -> None:
    small = shrink_preview(encoded(noise(512, 512)))
    assert small is not None
    assert len(small) < 90_000


def test_metadata_and_transparency_do_not_pass() -> None:
    small = shrink_preview(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 10)), exif=exif(description="secret")))
    assert small is not None
    assert b"secret" not in small


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"\xff\xd8\xff", encoded(noise(99, 99))[:-900], png_that_claims(9000, 9000), b"\0\0\0\x18ftypisom"],
)
def test_what_cannot_be_shown_is_left_out(data: bytes) -> None:
    assert shrink_preview(data) is None
