"""Finds the known things and moods in a prompt; only whole words match."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d_]+")

_THINGS: dict[str, str] = {
    "sea": "sea ocean beach wave waves coast shore island lake water harbour harbor river lagoon surf",
    "forest": "forest wood woods tree trees jungle pine pines grove woodland",
    "city": "city town street skyline tokyo cyberpunk skyscraper skyscrapers building buildings metropolis urban",
    "mountain": "mountain mountains hill hills peak peaks alps valley landscape canyon cliff cliffs",
    "desert": "desert dune dunes sand sahara oasis",
    "space": "space galaxy nebula cosmos planet planets astronaut universe alien rocket spaceship cosmic",
    "flower": "flower flowers blossom blossoms rose roses tulip tulips garden meadow bouquet sakura cherry lotus",
    "cat": "cat cats kitten kittens kitty",
    "portrait": "portrait girl boy woman man person face lady queen king princess wizard witch people warrior knight",
    "castle": "castle tower fortress palace temple cathedral ruins",
    "boat": "boat boats ship ships sail sailboat yacht",
    "bird": "bird birds seagull seagulls crane cranes raven ravens crow dove swallow swallows owl",
    "balloon": "balloon balloons airship",
    "fish": "fish whale dolphin shark coral reef underwater jellyfish aquarium",
    "house": "house cottage cabin home village hut barn",
    "moon": "moon lunar moonlight moonlit",
    "sun": "sun sunny sunshine",
    "aurora": "aurora borealis northern",
    "snow": "snow winter snowy ice frozen snowfall blizzard christmas",
    "rain": "rain rainy storm stormy thunder thunderstorm monsoon",
    "lantern": "lantern lanterns firefly fireflies festival candle candles magic magical",
}
_MOODS: dict[str, str] = {
    "sunset": "sunset dusk evening golden sundown twilight",
    "dawn": "dawn sunrise morning daybreak",
    "night": "night midnight dark starry stars moonlight moonlit moon noir gothic",
    "storm": "storm stormy thunder thunderstorm rain rainy gloomy grey gray monsoon blizzard",
    "space": "space galaxy nebula cosmos universe cosmic",
    "underwater": "underwater reef coral aquarium jellyfish whale",
    "autumn": "autumn fall october harvest leaves",
    "spring": "spring sakura cherry blossom blossoms pastel",
    "neon": "neon cyberpunk synthwave vaporwave futuristic hologram",
    "snow": "snow winter snowy ice frozen snowfall",
    "desert": "desert dune dunes sahara sand",
    "day": "day noon bright sunny summer blue",
}


def _index(groups: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, listed in groups.items():
        for word in listed.split():
            found[word] = (*found.get(word, ()), name)
    return found


_THING_OF, _MOOD_OF = _index(_THINGS), _index(_MOODS)


@dataclass(frozen=True, slots=True)
class Words:
    """The known words of a prompt in their order."""

    things: tuple[str, ...]
    moods: tuple[str, ...]


def read(text: str) -> Words:
    words = [word.lower() for word in _WORD.findall(text)]
    things = dict.fromkeys(thing for word in words for thing in _THING_OF.get(word, ()))
    moods = dict.fromkeys(mood for word in words for mood in _MOOD_OF.get(word, ()))
    return Words(tuple(things), tuple(moods))
