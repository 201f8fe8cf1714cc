"""Landscapes: what lies between the horizon and the viewer."""

import math

from PIL import ImageDraw

from bot.sandbox.comfyui.drawing.canvas import Canvas
from bot.sandbox.comfyui.drawing.palette import Color, mix

_WHITE: Color = (255, 255, 255)


def draw_mountains(canvas: Canvas, horizon: float, *, snowy: bool = False) -> None:
    """Ranges one behind the other, the far ones in haze, then soft hills."""
    far, near = canvas.palette.land
    for index in range(3):
        depth = index / 3
        line = canvas.ridge(horizon - 0.06 + index * 0.07, 0.2 - index * 0.035, 0.56)
        color = mix(canvas.palette.horizon, far, 0.35 + depth * 0.6)
        canvas.below(line, color, mix(color, canvas.palette.horizon, 0.55), 0.42)
        if snowy or index == 0:
            _draw_caps(canvas, line, mix(color, _WHITE, 0.65))
    draw_hills(canvas, horizon + 0.2, mix(far, near, 0.45), near)


def _draw_caps(canvas: Canvas, line: list[tuple[float, float]], color: Color) -> None:
    """Snow on the peaks: the higher a point, the further down its snow reaches, in tongues."""
    snow_line = min(y for _, y in line) + 0.1
    tongues = [(x, y + max(0.0, snow_line - y) * (0.55 + 0.4 * math.sin(x * 47) * math.sin(x * 19))) for x, y in line]
    canvas.shape([*line, *reversed(tongues)], color, blur=0.0012)


def draw_hills(canvas: Canvas, y: float, far: Color, near: Color, count: int = 3) -> None:
    """Rolling hills down to the lower edge."""
    for index in range(count):
        color = mix(far, near, index / max(1, count - 1))
        line = canvas.wave(y + index * (1.0 - y) / count, 0.05, 1.3 - index * 0.2)
        canvas.below(line, mix(color, canvas.palette.light, 0.12), mix(color, near, 0.55), 0.3)


def draw_forest(canvas: Canvas, horizon: float) -> None:
    """Rows of conifers that come out of the haze, and a ground of mist."""
    far, near = canvas.palette.land
    for index in range(4):
        depth = index / 3
        color = mix(mix(canvas.palette.horizon, far, 0.45), near, depth)
        base = horizon + 0.04 + index * 0.115
        canvas.below(canvas.wave(base, 0.03, 0.9), color, mix(color, canvas.palette.horizon, 0.35), 0.25)
        _draw_trees(canvas, base + 0.02, 0.11 + 0.1 * index, color)
        if index < 3:
            canvas.glow(canvas.rng.uniform(0, canvas.aspect), base, 0.35, canvas.palette.horizon, 0.16)


def _draw_trees(canvas: Canvas, base: float, height: float, color: Color) -> None:
    mask, pen = canvas.mask()
    x = canvas.rng.uniform(-0.05, 0.0)
    while x < canvas.aspect + 0.05:
        tall = height * canvas.rng.uniform(0.65, 1.2)
        foot = base + canvas.rng.uniform(-0.01, 0.02)
        for tier in range(5):
            top, width = foot - tall * (1 - tier * 0.16), tall * (0.07 + tier * 0.045)
            low = top + tall * 0.27
            pen.polygon(canvas.points([(x, top), (x + width, low), (x - width, low)]), fill=255)
        pen.rectangle(
            [*canvas.points([(x - tall * 0.02, foot - tall * 0.1), (x + tall * 0.02, foot + 0.06)])], fill=255
        )
        x += height * canvas.rng.uniform(0.22, 0.55)
    canvas.fill(mask, mix(color, canvas.palette.horizon, 0.08), color, base - height, base)


def draw_sea(canvas: Canvas, horizon: float, light_x: float | None) -> None:
    """Water to the horizon, waves, and a road of light where the sun or the moon is."""
    shallow, deep = canvas.palette.water
    edge = [(0.0, horizon), (canvas.aspect, horizon)]
    canvas.below(edge, mix(shallow, canvas.palette.horizon, 0.35), deep, 1 - horizon)
    if light_x is not None:
        _draw_glitter(canvas, horizon, light_x)
    swell = 0.008 if light_x is not None else 0.02
    for index in range(4):
        y = horizon + 0.1 + index * (0.9 - horizon) / 4
        color = mix(shallow, deep, 0.3 + index * 0.2)
        line = canvas.wave(y, 0.012 + swell * index, 0.28 + 0.12 * index)
        canvas.below(line, mix(color, _WHITE, 0.16), color, 0.1)
        crest = [*line, *((x, low + 0.004 + 0.002 * index) for x, low in reversed(line))]
        canvas.shape(crest, mix(color, _WHITE, 0.5), blur=0.0015)


def _draw_glitter(canvas: Canvas, horizon: float, light_x: float) -> None:
    mask, pen = canvas.mask()
    for _ in range(150):
        depth = canvas.rng.random() ** 1.6
        y = horizon + 0.006 + depth * (1 - horizon)
        x = light_x + canvas.rng.gauss(0, 0.02 + depth * 0.1)
        length = 0.01 + depth * 0.05
        pen.ellipse(canvas.box(x, y, length, 0.0012 + depth * 0.003), fill=round(220 - depth * 110))
    canvas.fill(canvas.soften(mask, 0.001), mix(canvas.palette.light, _WHITE, 0.3))


def draw_city(canvas: Canvas, horizon: float) -> None:
    """Three rows of buildings; the nearer ones have their windows lit."""
    far, near = canvas.palette.land
    for index in range(3):
        depth = (index + 1) / 3
        color = mix(canvas.palette.horizon, mix(far, near, depth), 0.35 + 0.65 * depth)
        _draw_buildings(canvas, horizon + 0.1 + index * 0.16, 0.3 + 0.09 * index, color, lit=index > 0)
    canvas.glow(canvas.aspect * canvas.rng.uniform(0.3, 0.7), 0.98, 0.5, canvas.palette.accent, 0.28)


def _draw_buildings(canvas: Canvas, base: float, height: float, color: Color, *, lit: bool) -> None:
    pen, rng = ImageDraw.Draw(canvas.image), canvas.rng
    x = rng.uniform(-0.06, 0.0)
    while x < canvas.aspect:
        width, tall = rng.uniform(0.06, 0.14), height * rng.uniform(0.35, 1.15)
        tint = mix(color, canvas.palette.horizon, rng.uniform(0.0, 0.12))
        pen.rectangle([*canvas.points([(x, base - tall), (x + width, 1.0)])], fill=tint)
        if rng.random() < 0.3:
            mast = x + width / 2
            pen.line([*canvas.points([(mast, base - tall), (mast, base - tall - 0.06)])], fill=tint, width=2)
        if lit:
            _draw_windows(canvas, pen, (x, base - tall, width, tall + 0.2), tint)
        x += width + rng.uniform(-0.01, 0.015)


def _draw_windows(
    canvas: Canvas, pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], wall: Color
) -> None:
    left, top, width, tall = box
    columns, rows = max(2, int(width / 0.018)), max(2, int(tall / 0.026))
    for column in range(columns):
        for row in range(rows):
            if canvas.rng.random() > 0.45:
                continue
            x, y = left + (column + 0.3) * width / columns, top + 0.012 + row * tall / rows
            tint = canvas.rng.choice((canvas.palette.light, canvas.palette.light, canvas.palette.accent))
            lamp = mix(wall, tint, canvas.rng.uniform(0.35, 0.95))
            pen.rectangle([*canvas.points([(x, y), (x + width / columns * 0.45, y + 0.012)])], fill=lamp)


def draw_desert(canvas: Canvas, horizon: float) -> None:
    """Dunes with a bright and a shady side."""
    far, near = canvas.palette.land
    for index in range(4):
        color = mix(mix(canvas.palette.horizon, far, 0.6), near, index / 3)
        line = canvas.wave(horizon + 0.05 + index * 0.13, 0.09, 1.2 - index * 0.15)
        canvas.below(line, mix(color, canvas.palette.light, 0.3), color, 0.25)
        _draw_ripples(canvas, line, mix(color, near, 0.35), 0.02 * (1 + index * 0.3))


def _draw_ripples(canvas: Canvas, line: list[tuple[float, float]], color: Color, distance: float) -> None:
    mask, pen = canvas.mask()
    for ripple in range(1, 7):
        crest = [(x, y + ripple * distance + 0.003 * math.sin(x * 25 + ripple)) for x, y in line]
        edge = [(x, y + 0.004) for x, y in reversed(crest)]
        pen.polygon(canvas.points([*crest, *edge]), fill=210 - 28 * ripple)
    canvas.fill(canvas.soften(mask, 0.003), color)


def draw_reef(canvas: Canvas) -> None:
    """The floor of the sea: rays of light, sand and weed."""
    for _ in range(6):
        x, width = canvas.rng.uniform(0, canvas.aspect), canvas.rng.uniform(0.03, 0.1)
        ray = [(x, -0.02), (x + width, -0.02), (x + width * 2.5 - 0.25, 0.9), (x - 0.25 - width, 0.9)]
        mask, pen = canvas.mask()
        pen.polygon(canvas.points(ray), fill=46)
        canvas.fill(canvas.soften(mask, 0.02), canvas.palette.light)
    far, near = canvas.palette.land
    draw_hills(canvas, 0.8, far, near)
    pen = ImageDraw.Draw(canvas.image)
    for _ in range(36):
        x, tall = canvas.rng.uniform(0, canvas.aspect), canvas.rng.uniform(0.06, 0.24)
        sway, width = canvas.rng.uniform(-0.05, 0.05), canvas.rng.randint(2, 7)
        tint = mix(near, canvas.rng.choice((canvas.palette.accent, (60, 190, 130), (240, 120, 170))), 0.55)
        steps = [(x + sway * (s / 12) ** 2 + 0.008 * math.sin(s), 0.99 - tall * s / 12) for s in range(13)]
        pen.line(canvas.points(steps), fill=tint, width=width, joint="curve")
