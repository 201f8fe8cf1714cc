"""Renders messages in a person's language: finds the gettext catalogue for a Discord locale.

Translations are in `bot/locales/<language>/LC_MESSAGES/comfycord.mo`; a language without one falls back to English.
"""

import gettext
from functools import cache
from pathlib import Path

from discord.utils import escape_markdown

from bot.i18n import ENGLISH, Message

DOMAIN = "comfycord"
MAX_SENTENCE = 1000
"""Characters; Discord allows 2000 to 4000 in all texts of a message."""
LOCALES = Path(__file__).parent.parent / "locales"


def cut(text: str, limit: int) -> str:
    """Shorten `text` to at most `limit` characters, with an ellipsis if it was longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


class Languages:
    """The catalogues of one folder, each loaded on first use."""

    def __init__(self, folder: Path = LOCALES) -> None:
        self._folder = folder
        self._load = cache(self._find)

    def render(self, message: Message, locale: str) -> str:
        """Return the text of `message` for a Discord locale such as "pt-BR", cut to `MAX_SENTENCE`.

        Values are escaped: a node title, server output or user input must not become a link or a heading.
        """
        return cut(message.render(self._load(locale), escape_markdown), MAX_SENTENCE)

    def plain(self, message: Message, locale: str) -> str:
        """Return the text without escapes, for places that show no Markdown, such as autocomplete."""
        return cut(message.render(self._load(locale)), MAX_SENTENCE)

    def _find(self, locale: str) -> gettext.NullTranslations:
        names = [locale.replace("-", "_"), locale.partition("-")[0]]
        try:
            return gettext.translation(DOMAIN, self._folder, languages=names)
        except OSError:
            return ENGLISH
