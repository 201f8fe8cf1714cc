"""Everything above the horizon."""

from PIL import ImageChops, ImageDraw, ImageOps

from bot.sandbox.comfyui.drawing.canvas import Canvas
from bot.sandbox.comfyui.drawing.palette import Color, mix
from bot.sandbox.comfyui.drawing.pixels import leveled, tinted

_WHITE: Color = (255, 255, 255)


def draw_sky(canvas: Canvas, horizon: float) -> None:
    canvas.image.paste(canvas.gradient(canvas.palette.sky, 0.0, horizon))


def draw_stars(canvas: Canvas, count: int, down_to: float) -> None:
    """Scatter stars; a few of them shine."""
    pen = ImageDraw.Draw(canvas.image)
    for _ in range(count):
        x, y = canvas.rng.uniform(0, canvas.aspect), canvas.rng.uniform(0, down_to)
        size = canvas.rng.choice((0.0008, 0.0012, 0.0016, 0.0026))
        tint = mix(canvas.palette.sky[0], canvas.palette.light, canvas.rng.uniform(0.45, 1.0))
        pen.ellipse(canvas.box(x, y, size), fill=tint)
        if size > 0.002 and canvas.rng.random() < 0.5:
            canvas.glow(x, y, 0.02, canvas.palette.light, 0.5)


def draw_disc(canvas: Canvas, x: float, y: float, radius: float, *, crescent: bool = False) -> None:
    """The sun, or the moon."""
    light = canvas.palette.light
    canvas.glow(x, y, radius * 6, mix(canvas.palette.horizon, light, 0.4), 0.55)
    canvas.glow(x, y, radius * 2.6, light, 0.65)
    mask, pen = canvas.mask()
    pen.ellipse(canvas.box(x, y, radius), fill=255)
    if crescent:
        pen.ellipse(canvas.box(x + radius * 0.42, y - radius * 0.12, radius * 0.86), fill=0)
    canvas.fill(canvas.soften(mask, 0.0015), mix(light, _WHITE, 0.5), light, y - radius, y + radius)


def draw_clouds(canvas: Canvas, horizon: float, amount: float) -> None:
    """Wisps of noise, stretched flat, lit from the horizon."""
    threshold = round(255 * (1 - amount))
    noise = ImageOps.autocontrast(canvas.noise(5, 4))
    fade = canvas.gradient(((90, 90, 90), (200, 200, 200), (0, 0, 0)), 0.0, horizon).convert("L")
    mask = ImageChops.multiply(leveled(noise, lambda level: (level - threshold) * 3), fade)
    color = mix(canvas.palette.horizon, _WHITE, 0.45 if not canvas.palette.is_dark else 0.1)
    canvas.fill(mask, color)


def draw_aurora(canvas: Canvas, horizon: float) -> None:
    """Curtains of green and violet light."""
    for color in ((60, 230, 150), (110, 120, 240), (190, 90, 220)):
        line = canvas.wave(horizon * canvas.rng.uniform(0.4, 0.65), 0.12, 1.1)
        mask, pen = canvas.mask()
        rise = canvas.rng.uniform(0.18, 0.32)
        pen.polygon(canvas.points([*line, *((x, y - rise) for x, y in reversed(line))]), fill=150)
        soft = canvas.soften(mask, 0.035)
        canvas.image = ImageChops.screen(canvas.image, tinted(soft, color))


def draw_nebula(canvas: Canvas) -> None:
    """Clouds of coloured light among the stars."""
    for color in (canvas.palette.accent, (80, 120, 255), (255, 170, 110)):
        noise = ImageOps.autocontrast(canvas.noise(3, 4))
        mask = leveled(noise, lambda level: max(0, level - 110) ** 1.15 * 0.75)
        canvas.image = ImageChops.screen(canvas.image, tinted(mask, color, 0.77))


def draw_planet(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A banded planet, lit from one side, perhaps with a ring."""
    rng, base = canvas.rng, mix(canvas.palette.accent, canvas.palette.sky[-1], canvas.rng.uniform(0.1, 0.7))
    canvas.glow(x, y, radius * 1.9, base, 0.35)
    mask, pen = canvas.mask()
    pen.ellipse(canvas.box(x, y, radius), fill=255)
    bands = tuple(mix(base, rng.choice((_WHITE, canvas.palette.light, canvas.palette.sky[0])), 0.3) for _ in range(7))
    canvas.image.paste(canvas.gradient(bands, y - radius, y + radius), (0, 0), mask)
    shadow, pen = canvas.mask()
    pen.ellipse(canvas.box(x, y, radius), fill=215)
    pen.ellipse(canvas.box(x - radius * 0.5, y - radius * 0.4, radius * 1.12), fill=0)
    canvas.fill(ImageChops.multiply(canvas.soften(shadow, radius * 0.16), mask), canvas.palette.sky[0])
    if rng.random() < 0.7:
        _draw_ring(canvas, x, y, radius, mix(base, canvas.palette.light, 0.6))


def _draw_ring(canvas: Canvas, x: float, y: float, radius: float, color: Color) -> None:
    mask, pen = canvas.mask()
    width = max(2, round(radius * 0.11 * canvas.height))
    pen.ellipse(canvas.box(x, y, radius * 1.75, radius * 0.42), outline=190, width=width)
    front = canvas.height * y
    pen.rectangle((0, 0, canvas.width, front), fill=0)
    behind, pen = canvas.mask()
    pen.ellipse(canvas.box(x, y, radius * 1.75, radius * 0.42), outline=120, width=width)
    pen.ellipse(canvas.box(x, y, radius), fill=0)
    canvas.fill(ImageChops.lighter(mask, behind), color)
