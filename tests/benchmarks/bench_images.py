"""How long the event loop has to wait while threads work on large pictures.

Run by hand: `uv run python -m tests.benchmarks.bench_images`. A heartbeat task sleeps for 1 ms again and again; its
longest delay is the stall. The first line, an empty thread, says how much of it is the machine's.
"""

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from bot.images.pool import ImagePool
from bot.images.service import ImageService

BEAT = 0.001
ROUNDS = 5
UPLOAD_LIMIT = 10 * 1024 * 1024


@dataclass
class Heart:
    """Beats on the loop and remembers its longest delay, in seconds."""

    longest: float = 0.0

    async def beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(BEAT)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - BEAT)
            last = now


async def measure(name: str, work: Callable[[], Awaitable[object]]) -> None:
    """Print the median duration, and the median and the worst of the longest stalls of several rounds."""
    stalls: list[float] = []
    run_times: list[float] = []
    for _round in range(ROUNDS):
        heart = Heart()
        task = asyncio.create_task(heart.beat())
        await asyncio.sleep(0.02)
        heart.longest = 0.0
        start = time.perf_counter()
        await work()
        run_times.append(time.perf_counter() - start)
        await asyncio.sleep(2 * BEAT)
        task.cancel()
        stalls.append(heart.longest)
    middle = ROUNDS // 2
    print(  # noqa: T201
        f"{name:44} {sorted(run_times)[middle] * 1000:6.0f} ms   stall: median {sorted(stalls)[middle] * 1000:5.1f} ms,"
        f" worst {max(stalls) * 1000:5.1f} ms"
    )


def noise(side: int, mode: str = "RGB") -> Image.Image:
    return Image.frombytes(mode, (side, side), random.Random(1).randbytes(side * side * len(mode)))


def photo(side: int) -> Image.Image:
    """As hard to compress as a photograph: smooth, with a little grain."""
    smooth = Image.merge("RGB", [Image.radial_gradient("L").resize((side, side))] * 3)
    return Image.blend(smooth, noise(side), 0.08)


def encoded(picture: Image.Image, media: str, **options: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, media, **options)
    return buffer.getvalue()


def samples() -> dict[str, bytes]:
    return {
        "PNG, noise 2200²": encoded(noise(2200), "PNG", compress_level=1),
        "PNG, photo 2900²": encoded(photo(2900), "PNG", compress_level=1),
        "PNG, noise 2900²": encoded(noise(2900), "PNG", compress_level=1),
        "PNG with alpha, noise 2200²": encoded(noise(2200, "RGBA"), "PNG", compress_level=1),
        "JPEG, photo 4000²": encoded(photo(4000), "JPEG", quality=90),
        "WebP, photo 2900²": encoded(photo(2900), "WEBP", quality=90, method=0),
        "AVIF, photo 2900²": encoded(photo(2900), "AVIF", speed=10),
    }


async def main() -> None:
    pool = ImagePool()
    pictures = ImageService(pool=pool)
    await measure("an empty thread", lambda: pool.run(threading.Event().wait, 0.5))
    for name, data in samples().items():
        size = f"{name}, {len(data) / 1e6:.1f} MB"
        if len(data) <= 25 * 1024 * 1024:
            await measure(f"intake   {size}", lambda data=data: pictures.prepare_input(data))
        if len(data) > UPLOAD_LIMIT:
            await measure(f"fit      {size}", lambda data=data: pictures.fit(data, UPLOAD_LIMIT))
        await measure(f"strip    {size}", lambda data=data: pictures.fit(data, len(data)))
        await measure(f"preview  {size}", lambda data=data: pictures.preview(data))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
