"""Matching colours by mood, slightly varied by a seed."""

import colorsys
import random
from dataclasses import dataclass

Color = tuple[int, int, int]


def mix(first: Color, second: Color, amount: float) -> Color:
    """Return the colour `amount` of the way from `first` to `second`."""
    red, green, blue = (round(one + (other - one) * amount) for one, other in zip(first, second, strict=True))
    return red, green, blue


def parse(text: str) -> Color:
    """Parse "rrggbb"."""
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a scene. `sky` runs from the zenith to the horizon, `land` from far to near."""

    sky: tuple[Color, ...]
    land: tuple[Color, Color]
    water: tuple[Color, Color]
    light: Color
    """Sun, moon, lit windows."""
    accent: Color
    """Blossoms, sails and other highlights."""
    is_dark: bool = False

    @property
    def horizon(self) -> Color:
        """The lowest colour of the sky, into which distant things fade."""
        return self.sky[-1]

    def shifted(self, rng: random.Random) -> "Palette":
        """Return a slightly varied palette."""
        turn, depth = rng.uniform(-0.025, 0.025), rng.uniform(0.92, 1.06)

        def move(color: Color) -> Color:
            hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in color))
            parts = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, min(1.0, value * depth))
            red, green, blue = (round(part * 255) for part in parts)
            return red, green, blue

        far, near = self.land
        shallow, deep = self.water
        return Palette(
            tuple(move(color) for color in self.sky),
            (move(far), move(near)),
            (move(shallow), move(deep)),
            move(self.light),
            move(self.accent),
            self.is_dark,
        )


def _palette(sky: str, land: str, water: str, light: str, accent: str, *, is_dark: bool = False) -> Palette:
    far, near = land.split()
    shallow, deep = water.split()
    return Palette(
        tuple(parse(color) for color in sky.split()),
        (parse(far), parse(near)),
        (parse(shallow), parse(deep)),
        parse(light),
        parse(accent),
        is_dark,
    )


MOODS: dict[str, Palette] = {
    "day": _palette("3f86d4 86bfee d8eefb", "8fb4bd 2f6b4f", "6fc3d6 14557f", "fff6d8", "f2694f"),
    "dawn": _palette("4a6fae b9a3cc f9c9b6 ffe9c9", "a79bc0 3f4a6d", "e9b8b4 4a6a99", "fff0cf", "f08fa0"),
    "sunset": _palette(
        "35285e 8f3f71 e8705a ffc069", "8b4a6b 241a35", "f29a66 3a2a5c", "ffe2a0", "ff5f6d", is_dark=True
    ),
    "night": _palette(
        "060a1f 12204a 2b4577 54709c", "2c4470 060b1a", "3d6390 060d24", "f4f1d9", "8fd3ff", is_dark=True
    ),
    "storm": _palette(
        "2b333f 53606d 8e9aa3 b9c0c2", "68757d 1e272c", "7b8f97 22303a", "e8edf0", "e0c060", is_dark=True
    ),
    "space": _palette(
        "04020f 10082b 241252 3a1d6b", "3a2470 090418", "46309a 0a0624", "e9e4ff", "ff7ad9", is_dark=True
    ),
    "underwater": _palette("7fe0e0 2aa3bd 0f6a96 083a63", "1a6f8c 052a45", "3cc0cf 06304f", "e6fff5", "ff8a5c"),
    "autumn": _palette("6b86a8 c4b59c f3d9a2 fbe7c0", "c98a4b 5a2a1a", "b7a06a 4a4a3f", "fff2cc", "d9431e"),
    "spring": _palette("8fb9e8 c9d6f2 f8d7e3 fff1ee", "b9c9b0 4f7d5a", "a9d5e0 4d86ab", "fffbe8", "f28db2"),
    "neon": _palette("0b0524 2b0b52 7a1676 ff4f9a", "3d1266 0a0320", "c22f8f 140638", "7df9ff", "ff2fb9", is_dark=True),
    "snow": _palette("7d9cc4 b9cde4 e6eff7 fbfdff", "9db6d2 506a92", "a9c6dc 4c6f93", "ffffff", "c94f5d"),
    "desert": _palette("4f8cc9 9cc4de f6e3bd ffe9b8", "e3b57c 9c5a2e", "7ec4c1 2f7d86", "fff7dc", "3f8f86"),
}


def choose(moods: tuple[str, ...], rng: random.Random) -> Palette:
    """Return the palette of the first known mood, slightly varied; without one, a random daytime palette."""
    names = [mood for mood in moods if mood in MOODS] or [rng.choice(("day", "dawn", "sunset", "spring", "autumn"))]
    return MOODS[names[0]].shifted(rng)
