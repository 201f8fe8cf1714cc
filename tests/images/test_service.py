import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from bot.errors import InputError
from bot.images.input import InputLimits
from bot.images.pool import ImagePool
from bot.images.service import ImageService
from tests.images.samples import encoded, input_file, noise, opened

MIB = 1024 * 1024


@pytest.fixture
async def pool() -> AsyncIterator[ImagePool]:
    pool = ImagePool(workers=1)
    yield pool
    await pool.close()


@pytest.fixture
def pictures(pool: ImagePool) -> ImageService:
    return ImageService(pool=pool, limits=InputLimits(bytes=MIB))


async def test_a_picture_goes_in_and_comes_out(pictures: ImageService) -> None:
    picture = noise(50, 40)
    taken = await pictures.prepare_input(encoded(picture))
    fitted = await pictures.fit(taken.data, MIB)
    assert opened(fitted.data).tobytes() == picture.tobytes()


async def test_limits_reach_the_intake(pictures: ImageService) -> None:
    pictures.check_size(MIB)
    with pytest.raises(InputError, match=r"1\.0 MB"):
        pictures.check_size(MIB + 1)
    with pytest.raises(InputError, match=r"1\.0 MB"):
        await pictures.prepare_input(bytes(MIB + 1))


async def test_a_mask_of_its_own(pictures: ImageService) -> None:
    result = await pictures.with_mask(input_file(noise(8, 8)), input_file(Image.new("RGB", (8, 8), "white")))
    assert opened(result.data).getchannel("A").getextrema() == (0, 0)


async def test_without_a_mask_the_picture_has_to_say_it(pictures: ImageService) -> None:
    transparent = input_file(Image.new("RGBA", (8, 8), (1, 2, 3, 0)))
    assert await pictures.with_mask(transparent, None) is transparent
    with pytest.raises(InputError, match="no transparent part"):
        await pictures.with_mask(input_file(noise(8, 8)), None)


async def test_previews_give_way_to_results(pictures: ImageService, pool: ImagePool) -> None:
    preview = encoded(noise(64, 64), "JPEG")
    assert await pictures.preview(preview)
    gate = threading.Event()
    result = asyncio.create_task(pool.run(gate.wait))
    await asyncio.sleep(0)
    assert await pictures.preview(preview) is None
    gate.set()
    await result
