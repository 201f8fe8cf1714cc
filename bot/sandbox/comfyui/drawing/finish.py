"""Finishing: the style of the checkpoint and its LoRAs, contrast, grain, vignette and caption."""

import random

from PIL import Image as Pillow
from PIL import ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from PIL.Image import Image

from bot.sandbox.comfyui.drawing.pixels import leveled, scaled

CAPTION = "drawn by the Comfycord stand-in"
_MIN_CAPTION_WIDTH = 200
"""Pixels; on smaller images the caption would cover most of it."""
_TINTS = {"golden": (255, 190, 110), "pastel": (235, 215, 245), "woodblock": (215, 190, 150)}


def in_manner_of(picture: Image, model: str, loras: tuple[tuple[str, float], ...]) -> Image:
    """Apply the style of a checkpoint by its name; unknown names change nothing."""
    if "ink" in model:
        grey = ImageOps.autocontrast(picture.convert("L"))
        inked = ImageOps.colorize(grey, (24, 26, 38), (248, 242, 228), mid=(128, 132, 140))
        picture = Pillow.blend(picture, inked, 0.78)
    elif "paper" in model:
        picture = ImageOps.posterize(picture.filter(ImageFilter.ModeFilter(5)), 3)
    for name, strength in loras:
        amount = max(0.0, min(abs(strength), 1.5)) * 0.22
        tint = next((color for word, color in _TINTS.items() if word in name), (200, 205, 220))
        tinted = ImageChops.soft_light(picture, Pillow.new("RGB", picture.size, tint))
        picture = Pillow.blend(picture, tinted, amount * 2)
    return picture


def balanced(picture: Image, cfg: float, negative: str) -> Image:
    """Raise contrast and saturation with `cfg`, and saturation with the number of negative words."""
    contrast = 1.0 + max(-0.2, min((cfg - 7.0) / 60, 0.25))
    color = 1.0 + max(-0.25, min((cfg - 7.0) / 45, 0.35)) + min(len(negative.split()), 12) * 0.008
    return ImageEnhance.Color(ImageEnhance.Contrast(picture).enhance(contrast)).enhance(color)


def with_grain(picture: Image, rng: random.Random, steps: int) -> Image:
    """Add fine noise, stronger for few steps, and darker corners."""
    side = 128
    tile = Pillow.frombytes("L", (side, side), rng.randbytes(side * side))
    grain = Pillow.new("L", picture.size)
    for x in range(0, picture.width, side):
        for y in range(0, picture.height, side):
            grain.paste(tile, (x, y))
    amount = 0.035 + 0.25 / (steps + 2) ** 1.2
    grained = Pillow.blend(picture, ImageChops.overlay(picture, grain.convert("RGB")), amount)
    corners = scaled(Pillow.radial_gradient("L"), picture.size, Pillow.Resampling.BILINEAR)
    dark = leveled(corners, lambda level: (level - 130) * 0.42)
    grained.paste((0, 0, 0), (0, 0), dark)
    return grained


def signed(picture: Image) -> Image:
    """Add a small caption in a corner that names the stand-in."""
    if picture.width < _MIN_CAPTION_WIDTH:
        return picture
    font = ImageFont.load_default(max(9, round(min(picture.size) / 46)))
    layer = Pillow.new("L", picture.size)
    pen = ImageDraw.Draw(layer)
    _, _, width, height = pen.textbbox((0, 0), CAPTION, font=font)
    margin = max(4, round(min(picture.size) / 70))
    place = picture.width - width - margin, picture.height - height - margin
    pen.text((place[0] + 1, place[1] + 1), CAPTION, fill=110, font=font)
    picture.paste((0, 0, 0), (0, 0), layer)
    pen.rectangle((0, 0, *picture.size), fill=0)
    pen.text(place, CAPTION, fill=150, font=font)
    picture.paste((255, 255, 255), (0, 0), layer)
    return picture
