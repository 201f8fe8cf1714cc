from typing import TypeAlias

import pytest
from PIL import Image, ImageOps

from bot.errors import InputError
from bot.images.input import InputLimits, prepare_input
from bot.images.mask import apply_mask, has_transparency, require_transparency
from tests.images.samples import encoded, input_file, noise, opened

Colour: TypeAlias = str | int | tuple[int, ...]


def half(width: int, height: int, mode: str, left: Colour, right: Colour) -> Image.Image:
    picture = Image.new(mode, (width, height), right)
    picture.paste(left, (0, 0, width // 2, height))
    return picture


def test_white_becomes_transparent_and_every_colour_stays() -> None:
    image = noise(40, 20)
    result = opened(apply_mask(input_file(image), input_file(half(40, 20, "RGB", "white", "black"))).data)
    assert result.convert("RGB").tobytes() == image.tobytes()
    assert result.getchannel("A").tobytes() == half(40, 20, "L", 0, 255).tobytes()


def test_a_mask_with_holes_selects_the_holes() -> None:
    mask = half(40, 20, "RGBA", (255, 255, 255, 255), (0, 0, 0, 0))
    result = opened(apply_mask(input_file(noise(40, 20)), input_file(mask)).data)
    assert result.getchannel("A").tobytes() == half(40, 20, "L", 255, 0).tobytes()


def test_an_opaque_alpha_channel_does_not_count_as_holes() -> None:
    mask = half(40, 20, "RGBA", (255, 255, 255, 255), (0, 0, 0, 255))
    result = opened(apply_mask(input_file(noise(40, 20)), input_file(mask)).data)
    assert result.getchannel("A").tobytes() == half(40, 20, "L", 0, 255).tobytes()


def test_grey_selects_in_part() -> None:
    result = opened(apply_mask(input_file(noise(4, 4)), input_file(Image.new("RGB", (4, 4), (100, 100, 100)))).data)
    assert set(result.getchannel("A").tobytes()) == {155}


def test_a_mask_of_another_size_is_stretched() -> None:
    result = opened(apply_mask(input_file(noise(100, 60)), input_file(half(10, 12, "RGB", "white", "black"))).data)
    alpha = result.getchannel("A")
    assert result.size == (100, 60)
    assert alpha.getpixel((5, 30)) == 0
    assert alpha.getpixel((95, 30)) == 255


def test_the_mask_replaces_transparency_that_was_there() -> None:
    image = half(40, 20, "RGBA", (9, 9, 9, 0), (9, 9, 9, 255))
    mask = ImageOps.mirror(half(40, 20, "RGB", "white", "black"))
    result = opened(apply_mask(input_file(image), input_file(mask)).data)
    assert result.getchannel("A").tobytes() == half(40, 20, "L", 255, 0).tobytes()


def test_an_empty_mask_is_refused_also_after_jpeg() -> None:
    black = encoded(Image.new("RGB", (32, 32), (3, 3, 3)), "JPEG", quality=60)
    with pytest.raises(InputError, match="mask is empty"):
        apply_mask(input_file(noise(32, 32)), prepare_input(black, InputLimits()))


def test_same_picture_and_mask_give_the_same_name() -> None:
    image, mask = input_file(noise(8, 8)), input_file(half(8, 8, "RGB", "white", "black"))
    assert apply_mask(image, mask) == apply_mask(image, mask)
    assert apply_mask(image, mask).name != image.name


@pytest.mark.parametrize(
    ("picture", "holes"),
    [
        (Image.new("RGB", (4, 4)), False),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 255)), False),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 254)), True),
        (half(4, 4, "RGBA", (1, 2, 3, 0), (1, 2, 3, 255)), True),
    ],
)
def test_transparency(picture: Image.Image, holes: bool) -> None:
    file = input_file(picture)
    assert has_transparency(file) is holes
    if holes:
        require_transparency(file)
    else:
        with pytest.raises(InputError, match="attach a mask"):
            require_transparency(file)
