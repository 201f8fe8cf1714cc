"""Draws an image from the inputs of a sampler; the same inputs give the same image."""

import random
from dataclasses import dataclass

from PIL import Image as Pillow
from PIL import ImageChops, ImageFilter, ImageOps
from PIL.Image import Image

from bot.sandbox.comfyui.drawing.finish import balanced, in_manner_of, signed, with_grain
from bot.sandbox.comfyui.drawing.pixels import scaled
from bot.sandbox.comfyui.drawing.scene import draw_scene
from bot.sandbox.comfyui.drawing.words import read

_SMALLEST, _LARGEST = 256, 1152
"""Longer side of the working canvas in pixels: smaller ones look ragged, larger ones take long."""
_OVERSAMPLING = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """The inputs of a sampler that affect the image."""

    prompt: str
    negative: str = ""
    model: str = ""
    loras: tuple[tuple[str, float], ...] = ()
    cfg: float = 7.0
    steps: int = 20
    sampler: str = "euler"
    guides: tuple[tuple[Image, float], ...] = ()


def paint(sketch: Sketch, size: tuple[int, int], *, seed: int, variation: int = 0) -> Image:
    """Draw `sketch` in `size`; `variation` distinguishes the images of a batch."""
    words = read(sketch.prompt)
    rng = random.Random(f"{sketch.prompt.strip().lower()}|{seed}|{variation}|{sketch.sampler}")
    scale = min(max(max(size) * _OVERSAMPLING, _SMALLEST), _LARGEST) / max(size)
    working = max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
    picture = draw_scene(working, words, rng).image
    picture = in_manner_of(picture, sketch.model.lower(), sketch.loras)
    for guide, strength in sketch.guides:
        picture = _guided(picture, guide, strength)
    picture = scaled(balanced(picture, sketch.cfg, sketch.negative), size, Pillow.Resampling.LANCZOS)
    return signed(with_grain(picture, rng, sketch.steps))


def repaint(source: Image, drawn: Image, denoise: float) -> Image:
    """Change `source` towards `drawn`: its shapes stay visible unless `denoise` is near 1."""
    amount = max(0.0, min(denoise, 1.0))
    if amount >= 1.0:
        return drawn
    tones = ImageOps.autocontrast(source.convert("L"), cutoff=1)
    dark, light = _tones_of(drawn)
    recolored = ImageOps.colorize(tones, dark, light)
    soft = source.filter(ImageFilter.SMOOTH_MORE)
    toned = Pillow.blend(soft, ImageChops.overlay(soft, recolored), 0.5)
    changed = Pillow.blend(source, Pillow.blend(toned, recolored, 0.35), min(1.0, amount * 1.2))
    return Pillow.blend(changed, drawn, amount**2 * 0.85)


def _tones_of(picture: Image) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return a dark and a light colour of `picture`."""
    small = scaled(picture, (6, 6), Pillow.Resampling.BOX).tobytes()
    colors = sorted(((small[i], small[i + 1], small[i + 2]) for i in range(0, len(small), 3)), key=sum)
    (red, green, blue), bright = colors[2], colors[-3]
    lifted = (min(255, bright[0] + 50), min(255, bright[1] + 50), min(255, bright[2] + 50))
    return (red // 2, green // 2, blue // 2), lifted


def _guided(picture: Image, guide: Image, strength: float) -> Image:
    lines = scaled(guide.convert("L"), picture.size)
    lit = ImageChops.soft_light(picture, lines.convert("RGB"))
    return Pillow.blend(picture, lit, max(0.0, min(strength, 1.0)) * 0.7)
