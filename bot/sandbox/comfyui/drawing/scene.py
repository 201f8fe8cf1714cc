"""Composes a scene from the words of a prompt: sky, land, then objects."""

import random

from bot.sandbox.comfyui.drawing import figures, land, sky, things
from bot.sandbox.comfyui.drawing.abstract import draw_abstract, palette_of
from bot.sandbox.comfyui.drawing.canvas import Canvas
from bot.sandbox.comfyui.drawing.palette import choose
from bot.sandbox.comfyui.drawing.words import Words

_GROUNDS = ("city", "sea", "forest", "desert", "mountain")
_MOOD_OF_THING = {"space": "space", "fish": "underwater", "flower": "spring", "snow": "snow", "moon": "night"}


def draw_scene(size: tuple[int, int], words: Words, rng: random.Random) -> Canvas:
    """Draw what `words` name; `rng` decides the rest."""
    if not words.things and not words.moods:
        canvas = Canvas(size, palette_of(rng), rng)
        draw_abstract(canvas)
        return canvas
    moods = words.moods or tuple(_MOOD_OF_THING[thing] for thing in words.things if thing in _MOOD_OF_THING)
    canvas = Canvas(size, choose(moods, rng), rng)
    if "underwater" in moods or ("fish" in words.things and "sea" not in words.things):
        sky.draw_sky(canvas, 1.0)
        land.draw_reef(canvas)
        things.draw_fish(canvas)
        return canvas
    horizon = rng.uniform(0.5, 0.6)
    light_x = canvas.aspect * rng.uniform(0.25, 0.75)
    _draw_sky(canvas, words, horizon, light_x)
    _draw_ground(canvas, words, horizon, None if "storm" in words.moods else light_x)
    _draw_figures(canvas, words, horizon)
    return canvas


def _draw_sky(canvas: Canvas, words: Words, horizon: float, light_x: float) -> None:
    is_night = "night" in words.moods or "space" in words.things
    sky.draw_sky(canvas, horizon + 0.05)
    if "space" in words.things:
        sky.draw_nebula(canvas)
    if is_night or "neon" in words.moods:
        sky.draw_stars(canvas, 260 if is_night else 60, horizon)
    if "aurora" in words.things:
        sky.draw_aurora(canvas, horizon)
    if "space" in words.things:
        sky.draw_planet(canvas, light_x, horizon * 0.45, canvas.rng.uniform(0.1, 0.17))
    elif "storm" not in words.moods:
        height = horizon * (0.85 if "sunset" in words.moods else canvas.rng.uniform(0.3, 0.5))
        is_crescent = is_night and canvas.rng.random() < 0.45
        sky.draw_disc(canvas, light_x, height, canvas.rng.uniform(0.045, 0.08), crescent=is_crescent)
    if "space" not in words.things:
        sky.draw_clouds(canvas, horizon, 0.62 if "storm" in words.moods else canvas.rng.uniform(0.35, 0.5))


def _draw_ground(canvas: Canvas, words: Words, horizon: float, light_x: float | None) -> None:
    grounds = [ground for ground in _GROUNDS if ground in words.things]
    if "mountain" in grounds and len(grounds) > 1:
        land.draw_mountains(canvas, horizon, snowy="snow" in words.moods)
    if "city" in grounds:
        land.draw_city(canvas, horizon)
    if "sea" in grounds or ("boat" in words.things and not grounds):
        has_shore = "city" in grounds or "mountain" in grounds
        land.draw_sea(canvas, horizon + 0.12 if has_shore else horizon, light_x)
    if "forest" in grounds:
        land.draw_forest(canvas, horizon)
    if "desert" in grounds:
        land.draw_desert(canvas, horizon)
    if grounds == ["mountain"]:
        land.draw_mountains(canvas, horizon, snowy="snow" in words.moods)
    elif not grounds and "boat" not in words.things:
        far, near = canvas.palette.land
        land.draw_hills(canvas, horizon + 0.08, far, near, 4)


def _draw_figures(canvas: Canvas, words: Words, horizon: float) -> None:
    named = words.things
    if "castle" in named:
        things.draw_castle(canvas, horizon + 0.12)
    if "house" in named:
        things.draw_house(canvas, 0.84)
    if "boat" in named:
        things.draw_boat(canvas, horizon + 0.06)
    if "balloon" in named:
        things.draw_balloons(canvas, horizon)
    if "bird" in named:
        things.draw_birds(canvas, horizon)
    if "flower" in named:
        figures.draw_flowers(canvas)
    if "portrait" in named:
        figures.draw_portrait(canvas)
    if "cat" in named:
        figures.draw_cat(canvas)
    if "lantern" in named:
        things.draw_lanterns(canvas)
    for kind in ("snow", "rain"):
        if kind in named:
            things.draw_weather(canvas, kind)
