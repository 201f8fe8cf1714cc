"""Living things in the foreground: cats, people, flowers."""

import math

from PIL import ImageChops, ImageDraw

from bot.sandbox.comfyui.drawing.canvas import Canvas, Point
from bot.sandbox.comfyui.drawing.palette import Color, mix

_WHITE: Color = (255, 255, 255)
_BLACK: Color = (0, 0, 0)


def draw_cat(canvas: Canvas) -> None:
    """A sitting cat in the foreground, facing the view or the viewer."""
    x, foot = canvas.aspect * canvas.rng.uniform(0.35, 0.65), 0.97
    color = mix(canvas.palette.land[1], _BLACK, 0.45)
    canvas.glow(x, foot - 0.26, 0.36, canvas.palette.light, 0.3)
    mask, pen = canvas.mask()
    pen.ellipse(canvas.box(x, foot - 0.13, 0.12, 0.17), fill=255)
    pen.ellipse(canvas.box(x, foot - 0.03, 0.145, 0.06), fill=255)
    head_y = foot - 0.34
    pen.ellipse(canvas.box(x, head_y, 0.095, 0.082), fill=255)
    for side in (-1, 1):
        ear = [(x + side * 0.09, head_y - 0.02), (x + side * 0.08, head_y - 0.145), (x + side * 0.018, head_y - 0.07)]
        pen.polygon(canvas.points(ear), fill=255)
    curl = [(x + 0.1 + 0.11 * math.sin(t / 14 * math.pi), foot - 0.02 - t * 0.014) for t in range(15)]
    pen.line(canvas.points(curl), fill=255, width=round(0.036 * canvas.height), joint="curve")
    tip = curl[-1]
    pen.ellipse(canvas.box(*tip, 0.018), fill=255)
    soft = canvas.soften(mask, 0.0012)
    canvas.fill(canvas.soften(mask, 0.01), mix(color, canvas.palette.light, 0.55))  # a rim of light
    canvas.fill(soft, color, mix(color, canvas.palette.land[1], 0.35), head_y, foot)
    _draw_cat_face(canvas, x, head_y)


def _draw_cat_face(canvas: Canvas, x: float, y: float) -> None:
    pen = ImageDraw.Draw(canvas.image)
    iris = mix(canvas.palette.light, (150, 230, 90), 0.45)
    for side in (-1, 1):
        canvas.glow(x + side * 0.04, y, 0.045, iris, 0.4)
        pen.ellipse(canvas.box(x + side * 0.04, y, 0.02, 0.024), fill=iris)
        pen.ellipse(canvas.box(x + side * 0.04, y, 0.006, 0.021), fill=_BLACK)
        pen.ellipse(canvas.box(x + side * 0.04 + 0.006, y - 0.009, 0.004), fill=_WHITE)
        for row in (-1, 0, 1):
            start, end = (x + side * 0.03, y + 0.036), (x + side * 0.135, y + 0.036 + row * 0.02)
            pen.line(canvas.points([start, end]), fill=mix(iris, _WHITE, 0.5), width=1)
    nose = [(x - 0.011, y + 0.026), (x + 0.011, y + 0.026), (x, y + 0.038)]
    pen.polygon(canvas.points(nose), fill=(235, 140, 150))


def draw_portrait(canvas: Canvas) -> None:
    """A poster-style bust: hair, face, shoulders, closed eyes."""
    rng, x, y = canvas.rng, canvas.aspect / 2, 0.44
    skin = rng.choice(((255, 219, 190), (236, 188, 150), (198, 140, 104), (141, 92, 66), (94, 60, 46)))
    hair = mix(
        rng.choice((canvas.palette.accent, canvas.palette.land[1], (60, 40, 36), canvas.palette.sky[0])), _BLACK, 0.2
    )
    robe = mix(canvas.palette.accent, canvas.palette.sky[0], rng.uniform(0.15, 0.5))
    canvas.glow(x, y, 0.62, canvas.palette.light, 0.4)
    _blob(canvas, [(x, y - 0.03, 0.205, 0.25), (x - 0.14, y + 0.2, 0.09, 0.28), (x + 0.14, y + 0.2, 0.09, 0.28)], hair)
    _blob(canvas, [(x, 1.06, 0.36, 0.3)], robe)
    _blob(canvas, [(x, y + 0.26, 0.058, 0.13)], mix(skin, _BLACK, 0.18))
    _blob(canvas, [(x, y + 0.02, 0.145, 0.195)], skin)
    _shade_face(canvas, x, y, skin)
    _blob(canvas, [(x - 0.05, y - 0.155, 0.145, 0.075), (x + 0.09, y - 0.13, 0.1, 0.08)], mix(hair, _WHITE, 0.08))
    _draw_features(canvas, x, y, skin, hair)
    for _ in range(7):
        place = rng.uniform(-0.2, 0.2)
        draw_blossom(canvas, x + place, y - 0.2 + abs(place) * 0.5, rng.uniform(0.02, 0.045), canvas.palette.accent)


def _blob(canvas: Canvas, ellipses: list[tuple[float, float, float, float]], color: Color) -> None:
    mask, pen = canvas.mask()
    for ellipse in ellipses:
        pen.ellipse(canvas.box(*ellipse), fill=255)
    top, bottom = min(e[1] - e[3] for e in ellipses), max(e[1] + e[3] for e in ellipses)
    canvas.fill(canvas.soften(mask, 0.002), mix(color, _WHITE, 0.1), mix(color, _BLACK, 0.2), top, bottom)


def _shade_face(canvas: Canvas, x: float, y: float, skin: Color) -> None:
    face, pen = canvas.mask()
    pen.ellipse(canvas.box(x, y + 0.02, 0.145, 0.195), fill=255)
    shade, pen = canvas.mask()
    pen.ellipse(canvas.box(x + 0.12, y + 0.06, 0.1, 0.2), fill=130)
    canvas.fill(ImageChops.multiply(canvas.soften(shade, 0.03), face), mix(skin, canvas.palette.sky[0], 0.55))
    for side in (-1, 1):
        canvas.glow(x + side * 0.075, y + 0.085, 0.05, (255, 110, 110), 0.16)


def _draw_features(canvas: Canvas, x: float, y: float, skin: Color, hair: Color) -> None:
    pen = ImageDraw.Draw(canvas.image)
    line, dark = max(2, round(0.006 * canvas.height)), mix(skin, _BLACK, 0.7)
    for side in (-1, 1):
        pen.arc(canvas.box(x + side * 0.06, y + 0.02, 0.034, 0.024), 15, 165, fill=dark, width=line)
        pen.arc(canvas.box(x + side * 0.06, y - 0.015, 0.042, 0.026), 200, 340, fill=mix(hair, _BLACK, 0.3), width=line)
    pen.arc(canvas.box(x + 0.004, y + 0.075, 0.016, 0.02), 30, 150, fill=mix(skin, _BLACK, 0.35), width=line)
    pen.ellipse(canvas.box(x, y + 0.132, 0.032, 0.011), fill=mix(skin, (200, 40, 60), 0.6))
    pen.arc(
        canvas.box(x, y + 0.122, 0.034, 0.014), 20, 160, fill=mix(skin, (110, 10, 30), 0.7), width=max(1, line // 2)
    )


def draw_blossom(canvas: Canvas, x: float, y: float, radius: float, color: Color) -> None:
    """One flower seen from the front."""
    rng, pen = canvas.rng, ImageDraw.Draw(canvas.image)
    petals, turn = rng.choice((5, 6, 8)), rng.uniform(0, math.tau)
    for ring, (reach, tone) in enumerate(((1.0, 0.0), (0.68, 0.28))):
        for number in range(petals):
            angle = turn + math.tau * (number + ring / 2) / petals
            tint = mix(color, _WHITE, min(1.0, tone + rng.uniform(0.0, 0.2)))
            pen.polygon(canvas.points(_petal(x, y, radius * reach, angle, petals)), fill=tint)
    pen.ellipse(canvas.box(x, y, radius * 0.22), fill=mix((255, 205, 70), canvas.palette.light, 0.35))


def _petal(x: float, y: float, length: float, angle: float, petals: int) -> list[Point]:
    wide = length * 1.9 / petals
    cos, sin = math.cos(angle), math.sin(angle)
    outline: list[Point] = []
    for step in range(17):
        along = step / 8 if step <= 8 else (16 - step) / 8
        across = math.sin(along * math.pi) ** 0.7 * wide * (1 if step <= 8 else -1) if 0 < along < 1 else 0.0
        outline.append((x + cos * along * length - sin * across, y + sin * along * length + cos * across))
    return outline


def draw_flowers(canvas: Canvas) -> None:
    """A meadow: small and blurred far away, large in front."""
    rng = canvas.rng
    tints = [
        canvas.palette.accent,
        mix(canvas.palette.accent, _WHITE, 0.6),
        mix(canvas.palette.accent, (150, 70, 220), 0.5),
    ]
    tints.append(mix(canvas.palette.light, (255, 190, 60), 0.5))
    for row in range(5):
        near = row / 4
        stem = mix(canvas.palette.land[1], (40, 110, 50), 0.5)
        for _ in range(16 - row * 2):
            x, y = rng.uniform(0, canvas.aspect), 0.66 + near * 0.26 + rng.uniform(-0.05, 0.03)
            radius = 0.012 + near**1.5 * 0.07 * rng.uniform(0.7, 1.2)
            pen = ImageDraw.Draw(canvas.image)
            bow = [(x, y), (x + rng.uniform(-0.02, 0.02), y + 0.12), (x + rng.uniform(-0.04, 0.04), 1.02)]
            pen.line(canvas.points(bow), fill=stem, width=max(1, round(radius * 0.14 * canvas.height)), joint="curve")
            draw_blossom(canvas, x, y, radius, rng.choice(tints))
