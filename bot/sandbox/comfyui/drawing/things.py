"""Things that stand, swim or float in a landscape: castles, houses, boats, birds, balloons, fish, lanterns, weather."""

from PIL import ImageDraw

from bot.sandbox.comfyui.drawing.canvas import Canvas
from bot.sandbox.comfyui.drawing.palette import Color, mix

_WHITE: Color = (255, 255, 255)
_BLACK: Color = (0, 0, 0)


def draw_castle(canvas: Canvas, horizon: float) -> None:
    """Towers on a rock, with a few lit windows."""
    rng, x = canvas.rng, canvas.aspect * canvas.rng.uniform(0.38, 0.62)
    color = mix(canvas.palette.land[1], canvas.palette.horizon, 0.22)
    base = horizon + 0.1
    canvas.glow(x, base - 0.2, 0.4, canvas.palette.light, 0.3)
    rock = [(x - 0.34, base + 0.24), (x - 0.2, base), (x + 0.2, base - 0.01), (x + 0.36, base + 0.24)]
    canvas.shape(rock, mix(color, canvas.palette.land[1], 0.5), blur=0.004)
    pen = ImageDraw.Draw(canvas.image)
    for place, wide, tall in (
        (-0.15, 0.05, 0.2),
        (0.14, 0.055, 0.24),
        (-0.05, 0.06, 0.3),
        (0.06, 0.045, 0.36),
        (0.0, 0.13, 0.16),
    ):
        left, right, top = x + place - wide / 2, x + place + wide / 2, base - tall
        pen.rectangle([*canvas.points([(left, top), (right, base + 0.02)])], fill=color)
        roof = [(left - 0.012, top), (x + place, top - wide * 1.9), (right + 0.012, top)]
        pen.polygon(canvas.points(roof), fill=mix(color, canvas.palette.accent, 0.55))
        for row in range(int(tall / 0.07)):
            if rng.random() < 0.7:
                pen.ellipse(canvas.box(x + place, top + 0.035 + row * 0.065, 0.006, 0.01), fill=canvas.palette.light)


def draw_house(canvas: Canvas, y: float) -> None:
    """A cottage with a warm window and smoke."""
    x, wall = canvas.aspect * canvas.rng.uniform(0.3, 0.7), mix(canvas.palette.land[1], (250, 235, 215), 0.55)
    pen = ImageDraw.Draw(canvas.image)
    pen.rectangle([*canvas.points([(x - 0.1, y - 0.1), (x + 0.1, y + 0.05)])], fill=wall)
    roof = [(x - 0.135, y - 0.1), (x, y - 0.215), (x + 0.135, y - 0.1)]
    pen.polygon(canvas.points(roof), fill=mix(canvas.palette.accent, _BLACK, 0.3))
    pen.rectangle([*canvas.points([(x - 0.018, y - 0.03), (x + 0.022, y + 0.05)])], fill=mix(wall, _BLACK, 0.6))
    for side in (-0.06, 0.065):
        pen.rectangle(
            [*canvas.points([(x + side - 0.018, y - 0.06), (x + side + 0.018, y - 0.022)])], fill=(255, 222, 140)
        )
        canvas.glow(x + side, y - 0.04, 0.11, (255, 200, 110), 0.5)
    for puff in range(7):
        canvas.glow(x + 0.07 + puff * 0.012, y - 0.2 - puff * 0.035, 0.025 + puff * 0.008, canvas.palette.horizon, 0.3)


def draw_boat(canvas: Canvas, horizon: float) -> None:
    """A sailing boat and its shadow on the water."""
    x, y, size = canvas.aspect * canvas.rng.uniform(0.25, 0.75), horizon + 0.1, canvas.rng.uniform(0.8, 1.2)
    sail, hull = mix(canvas.palette.accent, _WHITE, 0.55), mix(canvas.palette.land[1], _BLACK, 0.3)
    canvas.shape([(x - 0.09 * size, y + 0.05), (x + 0.09 * size, y + 0.05), (x, y + 0.16)], hull, blur=0.018)
    canvas.shape([(x + 0.004, y - 0.22 * size), (x + 0.004, y - 0.02), (x + 0.1 * size, y - 0.02)], sail, blur=0.001)
    canvas.shape(
        [(x - 0.006, y - 0.18 * size), (x - 0.006, y - 0.02), (x - 0.07 * size, y - 0.02)], mix(sail, hull, 0.25)
    )
    bow = [(x - 0.1 * size, y), (x + 0.11 * size, y), (x + 0.07 * size, y + 0.04), (x - 0.07 * size, y + 0.04)]
    canvas.shape(bow, hull, blur=0.001)


def draw_birds(canvas: Canvas, down_to: float) -> None:
    """A flock, each bird two bows."""
    x0, y0 = canvas.aspect * canvas.rng.uniform(0.25, 0.75), down_to * canvas.rng.uniform(0.3, 0.55)
    color, pen = mix(canvas.palette.land[1], _BLACK, 0.2), ImageDraw.Draw(canvas.image)
    for _ in range(13):
        x, y, span = x0 + canvas.rng.gauss(0, 0.17), y0 + canvas.rng.gauss(0, 0.06), canvas.rng.uniform(0.012, 0.034)
        for side in (-1, 1):
            wing = [(x, y), (x + side * span * 0.5, y - span * 0.45), (x + side * span, y - span * 0.12)]
            pen.line(canvas.points(wing), fill=color, width=max(1, round(span * 0.14 * canvas.height)), joint="curve")


def draw_balloons(canvas: Canvas, down_to: float) -> None:
    """Hot-air balloons of different sizes."""
    pen = ImageDraw.Draw(canvas.image)
    for size in (0.04, 0.06, 0.11):
        x, y = canvas.aspect * canvas.rng.uniform(0.12, 0.88), down_to * canvas.rng.uniform(0.25, 0.75)
        base = canvas.rng.choice((canvas.palette.accent, (250, 190, 70), (70, 160, 190), (220, 90, 130)))
        pen.polygon(
            canvas.points([(x - size * 0.6, y + size * 0.8), (x + size * 0.6, y + size * 0.8), (x, y + size * 1.5)]),
            fill=base,
        )
        for stripe in range(5, 0, -1):
            tint = mix(base, _WHITE, 0.65 if stripe % 2 else 0.08)
            pen.ellipse(canvas.box(x, y, size * stripe / 5, size), fill=tint)
        pen.rectangle(
            [*canvas.points([(x - size * 0.14, y + size * 1.5), (x + size * 0.14, y + size * 1.72)])], fill=(96, 64, 44)
        )


def draw_fish(canvas: Canvas) -> None:
    """A school of fish and rising bubbles."""
    pen = ImageDraw.Draw(canvas.image)
    for _ in range(16):
        x, y, size = (
            canvas.rng.uniform(0, canvas.aspect),
            canvas.rng.uniform(0.15, 0.8),
            canvas.rng.uniform(0.015, 0.055),
        )
        tint = mix(
            canvas.rng.choice((canvas.palette.accent, (255, 205, 90), (120, 220, 230))), canvas.palette.sky[2], 0.2
        )
        pen.polygon(
            canvas.points([(x - size * 0.7, y), (x - size * 1.5, y - size * 0.5), (x - size * 1.5, y + size * 0.5)]),
            fill=tint,
        )
        pen.ellipse(canvas.box(x, y, size, size * 0.52), fill=tint)
        pen.ellipse(canvas.box(x + size * 0.55, y - size * 0.1, size * 0.1), fill=_WHITE)
    for _ in range(30):
        spot = canvas.rng.uniform(0, canvas.aspect), canvas.rng.random(), canvas.rng.uniform(0.003, 0.012)
        pen.ellipse(canvas.box(*spot), outline=mix(canvas.palette.light, canvas.palette.sky[1], 0.3), width=1)


def draw_lanterns(canvas: Canvas) -> None:
    """Small warm lights that float."""
    for _ in range(22):
        x, y, size = (
            canvas.rng.uniform(0, canvas.aspect),
            canvas.rng.uniform(0.08, 0.9),
            canvas.rng.uniform(0.006, 0.016),
        )
        canvas.glow(x, y, size * 6, (255, 170, 70), 0.55)
        ImageDraw.Draw(canvas.image).ellipse(canvas.box(x, y, size, size * 1.25), fill=(255, 226, 160))


def draw_weather(canvas: Canvas, kind: str) -> None:
    """Snowflakes or rain in front of everything."""
    mask, pen = canvas.mask()
    for _ in range(240):
        x, y = canvas.rng.uniform(0, canvas.aspect), canvas.rng.random()
        if kind == "snow":
            pen.ellipse(canvas.box(x, y, canvas.rng.choice((0.0015, 0.0025, 0.005))), fill=canvas.rng.randint(120, 230))
        else:
            length = canvas.rng.uniform(0.02, 0.06)
            pen.line(
                canvas.points([(x, y), (x - length * 0.25, y + length)]), fill=canvas.rng.randint(40, 110), width=1
            )
    canvas.fill(canvas.soften(mask, 0.0008), _WHITE)
