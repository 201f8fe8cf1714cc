import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from bot.errors import InputError
from bot.images.fit import fit
from tests.images.samples import encoded, exif, frame_count, gradient, noise, opened, png_that_claims, with_png_chunk

MIB = 1024 * 1024


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of two pictures, in levels."""
    moved = ImageChops.difference(first.convert("RGB"), second.convert("RGB").resize(first.size))
    return sum(ImageStat.Stat(moved).mean) / 3


def test_what_fits_keeps_every_bit_but_its_metadata() -> None:
    plain = encoded(noise(64, 48))
    file = fit(with_png_chunk(plain, b"tEXt", b"prompt\0secret"), len(plain))
    assert file.data == plain
    assert (file.extension, file.content_type, file.changed) == ("png", "image/png", False)
    assert (file.width, file.height) == (64, 48)


@pytest.mark.parametrize("media", ["PNG", "JPEG", "WEBP", "BMP", "AVIF"])
def test_a_picture_that_is_too_large_fits_and_looks_the_same(media: str) -> None:
    picture = gradient(600, 400)
    data = encoded(picture, media, **({"lossless": True} if media == "WEBP" else {}))
    limit = len(data) // 2
    file = fit(data, limit)
    assert len(file.data) <= limit
    assert file.changed
    result = opened(file.data)
    assert result.size == (file.width, file.height)
    assert difference(picture, result) < 4


def test_quality_goes_before_size() -> None:
    picture = Image.blend(gradient(800, 800), noise(800, 800), 0.05)
    file = fit(encoded(picture), 500_000)
    assert (file.width, file.height) == (800, 800)
    assert (file.extension, file.content_type) == ("jpg", "image/jpeg")
    assert difference(picture, opened(file.data)) < 3


def test_noise_is_scaled_down_with_its_shape() -> None:
    file = fit(encoded(noise(900, 300)), 60_000)
    assert len(file.data) <= 60_000
    assert 0 < file.width < 900
    assert abs(file.width / file.height - 3) < 0.1
    assert len(file.data) > 25_000, "the limit is used"


def test_transparency_is_kept() -> None:
    picture = noise(300, 300).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 150, 300))
    file = fit(encoded(picture), 60_000)
    assert (file.extension, file.content_type) == ("webp", "image/webp")
    alpha = opened(file.data).getchannel("A")
    assert alpha.getpixel((2, 2)) == 0
    assert alpha.getpixel((alpha.width - 3, 2)) == 255


def test_an_opaque_alpha_channel_is_no_reason_for_webp() -> None:
    assert fit(encoded(noise(200, 200).convert("RGBA")), 60_000).extension == "jpg"


def test_a_new_file_is_upright_and_without_metadata() -> None:
    file = fit(encoded(noise(300, 100), "JPEG", quality=95, exif=exif(6, "secret")), 20_000)
    assert file.height > file.width
    assert b"secret" not in file.data
    assert b"Exif" not in file.data


@given(st.integers(1, 80), st.integers(1, 80), st.sampled_from(["RGB", "RGBA", "L", "LA", "P", "1", "I;16"]))
@settings(deadline=None, max_examples=60)
def test_every_sound_still_fits_a_kilobyte(width: int, height: int, mode: str) -> None:
    picture = noise(width, height, "RGBA").convert("L").convert(mode) if mode in ("I;16", "1") else noise(width, height)
    picture = picture if mode in ("I;16", "1") else picture.convert(mode)
    file = fit(encoded(picture), 1024)
    assert len(file.data) <= 1024
    assert opened(file.data).size == (file.width, file.height)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (17_000, 40)])
def test_long_strips_fit(size: tuple[int, int]) -> None:
    for mode in ("RGB", "RGBA"):
        file = fit(encoded(noise(*size, mode)), 20_000)
        assert len(file.data) <= 20_000


def test_an_absurd_limit_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="too large for this channel"):
        fit(encoded(noise(300, 300)), 20)


# ------------------------------------------------------------------ not stills, not sound


@pytest.mark.parametrize("media", ["PNG", "WEBP", "GIF", "AVIF"])
def test_animations_are_whole_or_refused(media: str) -> None:
    frames = [noise(40, 40, seed=seed) for seed in range(4)]
    data = encoded(frames[0], media, save_all=True, append_images=frames[1:])
    file = fit(data, len(data))
    assert not file.changed
    assert frame_count(opened(file.data)) == 4
    with pytest.raises(InputError, match="too large for this channel"):
        fit(data, len(data) // 2)


def test_a_gif_with_one_frame_is_a_still() -> None:
    data = encoded(noise(200, 200).quantize(64), "GIF")
    assert len(fit(data, len(data) // 2).data) <= len(data) // 2


def test_a_second_view_behind_a_jpeg_is_no_animation() -> None:
    data = encoded(noise(200, 200), "MPO", save_all=True, append_images=[noise(200, 200, seed=2)])
    file = fit(data, len(data) // 4)
    assert file.changed
    assert len(file.data) <= len(data) // 4


def test_video_passes_or_is_refused_with_both_sizes() -> None:
    data = b"\0\0\0\x18ftypisom\0\0\0\0mp42avc1".ljust(3 * MIB, b"\0")
    file = fit(data, 3 * MIB)
    assert (file.data, file.extension, file.content_type, file.width) == (data, "mp4", "video/mp4", 0)
    with pytest.raises(InputError, match=r"3\.0 MB, and the limit here is 2\.0 MB"):
        fit(data, 2 * MIB)


def test_unknown_files_pass_untouched() -> None:
    file = fit(b"some text", 100)
    assert (file.data, file.extension, file.changed) == (b"some text", "bin", False)


def test_a_truncated_picture_passes_if_it_fits() -> None:
    data = encoded(noise(100, 100))[:-3000]
    file = fit(data, len(data))
    assert not file.changed
    assert (file.width, file.height) == (100, 100)
    with pytest.raises(InputError, match="too large"):
        fit(data, 1000)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_that_claims_a_gigapixel_is_not_decoded() -> None:
    data = png_that_claims(40_000, 30_000)
    assert fit(data, MIB).data == data
    with pytest.raises(InputError):
        fit(data, 10)
