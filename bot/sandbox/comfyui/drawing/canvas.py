"""A canvas with the basic drawing operations. Lengths are fractions of its height."""

import itertools
import math
import random
from collections.abc import Iterable, Sequence

from PIL import Image as Pillow
from PIL import ImageChops, ImageDraw, ImageFilter
from PIL.Image import Image

from bot.sandbox.comfyui.drawing.palette import Color, Palette, mix
from bot.sandbox.comfyui.drawing.pixels import leveled, scaled, tinted

Point = tuple[float, float]
_RIM = 181
"""Level of Pillow's radial gradient where its circle touches the sides; it reaches 255 only in the corners."""
_REACH = 1.2
"""Extent of a glow as a multiple of its nominal radius, where it has faded."""
_STRIP = 256
"""Rows of a gradient before scaling."""


class Canvas:
    """Coordinates run from (0, 0) at the top left to (`aspect`, 1) at the bottom right."""

    def __init__(self, size: tuple[int, int], palette: Palette, rng: random.Random) -> None:
        self.image = Pillow.new("RGB", size)
        self.palette = palette
        self.rng = rng
        self.width, self.height = size
        self.aspect = self.width / self.height

    # ------------------------------------------------------------ masks

    def mask(self) -> tuple[Image, ImageDraw.ImageDraw]:
        mask = Pillow.new("L", self.image.size)
        return mask, ImageDraw.Draw(mask)

    def points(self, outline: Iterable[Point]) -> list[Point]:
        """Convert canvas coordinates to pixels."""
        return [(x * self.height, y * self.height) for x, y in outline]

    def box(self, x: float, y: float, radius_x: float, radius_y: float | None = None) -> tuple[float, ...]:
        """Return the pixel box of an ellipse around (x, y)."""
        radius_y = radius_x if radius_y is None else radius_y
        left, top, right, bottom = x - radius_x, y - radius_y, x + radius_x, y + radius_y
        return left * self.height, top * self.height, right * self.height, bottom * self.height

    def soften(self, mask: Image, radius: float) -> Image:
        """Blur a mask; wide blurs are made on a smaller copy."""
        pixels = radius * self.height
        if pixels < 4:
            return mask.filter(ImageFilter.GaussianBlur(pixels))
        shrink = max(1, int(pixels / 3))
        small = mask.reduce(shrink).filter(ImageFilter.GaussianBlur(pixels / shrink))
        return scaled(small, mask.size, Pillow.Resampling.BILINEAR)

    # ------------------------------------------------------------ paint

    def gradient(self, stops: Sequence[Color], top: float = 0.0, bottom: float = 1.0) -> Image:
        """Return a vertical gradient over the whole canvas, running from `top` to `bottom`."""
        strip = Pillow.new("RGB", (1, _STRIP))
        for row in range(_STRIP):
            place = (row / (_STRIP - 1) - top) / max(bottom - top, 0.001)
            place = min(max(place, 0.0), 1.0) * (len(stops) - 1)
            index = min(int(place), len(stops) - 2)
            strip.putpixel((0, row), mix(stops[index], stops[index + 1], place - index))
        return scaled(strip, self.image.size, Pillow.Resampling.BILINEAR)

    def fill(
        self, mask: Image, upper: Color, lower: Color | None = None, top: float = 0.0, bottom: float = 1.0
    ) -> None:
        """Paint where `mask` is white; with two colours, fading from `upper` at `top` to `lower` at `bottom`."""
        if lower is None:
            self.image.paste(upper, (0, 0), mask)
        else:
            self.image.paste(self.gradient((upper, lower), top, bottom), (0, 0), mask)

    def shape(self, outline: Sequence[Point], color: Color, blur: float = 0.0) -> None:
        mask, pen = self.mask()
        pen.polygon(self.points(outline), fill=255)
        self.fill(self.soften(mask, blur) if blur else mask, color)

    def glow(self, x: float, y: float, radius: float, color: Color, strength: float = 1.0) -> None:
        radius *= _REACH
        halo = leveled(Pillow.radial_gradient("L"), lambda level: max(0.0, 1 - level / _RIM) ** 2 * 255 * strength)
        side = max(2, round(radius * 2 * self.height))
        halo = scaled(halo, (side, side), Pillow.Resampling.BILINEAR)
        light = tinted(halo, color)
        corner = round((x - radius) * self.height), round((y - radius) * self.height)
        box = (corner[0], corner[1], corner[0] + side, corner[1] + side)
        self.image.paste(ImageChops.screen(self.image.crop(box), light), corner)

    def noise(self, cells: int, octaves: int = 3) -> Image:
        """Return smooth noise in mode "L", with about `cells` spots across."""
        total: Image | None = None
        for octave in range(octaves):
            across = cells * 2**octave
            size = across, max(2, round(across / self.aspect))
            spots = Pillow.frombytes("L", size, self.rng.randbytes(size[0] * size[1]))
            layer = scaled(spots, self.image.size, Pillow.Resampling.BICUBIC)
            total = layer if total is None else Pillow.blend(total, layer, 0.5 / (octave + 1))
        return total or Pillow.new("L", self.image.size, 128)

    # ------------------------------------------------------------ lines

    def ridge(self, y: float, height: float, roughness: float, steps: int = 7) -> list[Point]:
        """Return a mountain line across the canvas by midpoint displacement, roughest at `roughness` 1."""
        heights = [self.rng.uniform(-1, 1), self.rng.uniform(-1, 1), self.rng.uniform(-1, 1)]
        scale = 1.0
        for _ in range(steps):
            scale *= roughness
            between = [
                (one + other) / 2 + self.rng.uniform(-scale, scale) for one, other in itertools.pairwise(heights)
            ]
            heights = [value for pair in zip(heights, [*between, 0.0], strict=True) for value in pair][:-1]
        last = len(heights) - 1
        return [(self.aspect * index / last, y - height * value) for index, value in enumerate(heights)]

    def wave(self, y: float, height: float, length: float, steps: int = 90) -> list[Point]:
        """Return a soft line across the canvas: a sum of sines."""
        parts = [(self.rng.uniform(0, math.tau), self.rng.uniform(0.6, 1.7), 1 / (index + 1)) for index in range(3)]
        line: list[Point] = []
        for index in range(steps + 1):
            x = self.aspect * index / steps
            swing = sum(math.sin(x / length * math.tau * pace + phase) * share for phase, pace, share in parts)
            line.append((x, y - height * swing / 2))
        return line

    def below(self, line: Sequence[Point], color: Color, lower: Color | None = None, depth: float = 0.4) -> None:
        """Fill everything under a line, fading to `lower` within `depth`."""
        mask, pen = self.mask()
        pen.polygon(self.points([*line, (self.aspect, 1.02), (0.0, 1.02)]), fill=255)
        top = min(y for _, y in line)
        self.fill(mask, color, lower, top, top + depth)
