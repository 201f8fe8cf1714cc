"""For prompts without known words: ribbons in colours derived from the prompt."""

import colorsys
import random

from PIL import ImageDraw

from bot.sandbox.comfyui.drawing.canvas import Canvas
from bot.sandbox.comfyui.drawing.palette import Color, Palette, mix

_WHITE: Color = (255, 255, 255)


def palette_of(rng: random.Random) -> Palette:
    """Return colours around one hue and its opposite."""
    hue, is_dark = rng.random(), rng.random() < 0.5

    def tone(turn: float, saturation: float, value: float) -> Color:
        red, green, blue = (round(part * 255) for part in colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
        return red, green, blue

    low, high = (0.12, 0.5) if is_dark else (0.62, 1.0)
    return Palette(
        sky=(tone(0, 0.6, low), tone(0.08, 0.5, (low + high) / 2), tone(0.16, 0.35, high)),
        land=(tone(0.42, 0.55, high), tone(-0.08, 0.75, 0.45)),
        water=(tone(0.62, 0.5, high), tone(0.3, 0.7, 0.5)),
        light=tone(0.5, 0.15, 1.0),
        accent=tone(0.5, 0.7, 0.95),
        is_dark=is_dark,
    )


def draw_abstract(canvas: Canvas) -> None:
    """Glows, ribbons one over the other, and a few rings."""
    rng, colors = canvas.rng, (canvas.palette.accent, canvas.palette.light, *canvas.palette.land, *canvas.palette.water)
    canvas.image.paste(canvas.gradient(canvas.palette.sky))
    for _ in range(5):
        spot = rng.uniform(0, canvas.aspect), rng.random(), rng.uniform(0.25, 0.6)
        canvas.glow(*spot, rng.choice(colors), 0.35)
    for index in range(7):
        line = canvas.wave(0.15 + index * 0.11, rng.uniform(0.08, 0.2), rng.uniform(0.6, 1.6))
        thick = rng.uniform(0.02, 0.09)
        outline = [*line, *((x, y + thick * (1 + 0.6 * x)) for x, y in reversed(line))]
        mask, pen = canvas.mask()
        pen.polygon(canvas.points(outline), fill=rng.randint(110, 215))
        color = mix(rng.choice(colors), _WHITE, rng.uniform(0, 0.3))
        canvas.fill(canvas.soften(mask, 0.0015), color, mix(color, canvas.palette.sky[0], 0.5))
    pen = ImageDraw.Draw(canvas.image)
    for _ in range(6):
        x, y, radius = rng.uniform(0, canvas.aspect), rng.random(), rng.uniform(0.02, 0.13)
        canvas.glow(x, y, radius * 1.6, canvas.palette.light, 0.3)
        pen.ellipse(canvas.box(x, y, radius), outline=mix(rng.choice(colors), _WHITE, 0.4), width=rng.randint(2, 6))
