"""Which language a person reads: finds the gettext catalogue for a Discord locale.

Translations lie in `bot/locales/<language>/LC_MESSAGES/comfycord.mo`. A language without one reads English.
"""

import gettext
from functools import cache
from pathlib import Path

from discord.utils import escape_markdown

from bot.i18n import ENGLISH, Message

DOMAIN = "comfycord"
MAX_SENTENCE = 1000
"""Characters; the texts of one message may have 2000 to 4000 together."""
LOCALES = Path(__file__).parent.parent / "locales"


def cut(text: str, limit: int) -> str:
    """Return `text`, or what of it fits into `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


class Languages:
    """The catalogues of one folder, each loaded when it is first asked for."""

    def __init__(self, folder: Path = LOCALES) -> None:
        self._folder = folder
        self._load = cache(self._find)

    def render(self, message: Message, locale: str) -> str:
        """Return the text of `message` for a reader of `locale`, a Discord locale such as "pt-BR".

        Values are escaped: a node's title, a server's words or what a member typed must not become a link or a heading.
        The text is cut to what any message can take.
        """
        return cut(message.render(self._load(locale), escape_markdown), MAX_SENTENCE)

    def plain(self, message: Message, locale: str) -> str:
        """Return the text for a place where nothing is formatted, such as a list of suggestions."""
        return cut(message.render(self._load(locale)), MAX_SENTENCE)

    def _find(self, locale: str) -> gettext.NullTranslations:
        names = [locale.replace("-", "_"), locale.partition("-")[0]]
        try:
            return gettext.translation(DOMAIN, self._folder, languages=names)
        except OSError:
            return ENGLISH
