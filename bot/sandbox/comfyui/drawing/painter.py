"""First sketch."""

import hashlib
from dataclasses import dataclass

from PIL import Image as Pillow
from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    prompt: str
    negative: str = ""
    model: str = ""
    loras: tuple[tuple[str, float], ...] = ()
    cfg: float = 7.0
    steps: int = 20
    sampler: str = "euler"
    guides: tuple[tuple[Image, float], ...] = ()


def paint(sketch: Sketch, size: tuple[int, int], *, seed: int, variation: int = 0) -> Image:
    digest = hashlib.sha256(f"{sketch}|{seed}|{variation}".encode()).digest()
    small = Pillow.frombytes("RGB", (3, 3), digest[:27])
    return small.resize(size, Pillow.Resampling.BICUBIC)


def repaint(source: Image, drawn: Image, denoise: float) -> Image:
    return Pillow.blend(source, drawn, max(0.0, min(denoise, 1.0)) ** 1.5)
