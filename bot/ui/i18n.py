"""Which language a person reads: finds the gettext catalogue for a Discord locale.

Translations lie in `bot/locales/<language>/LC_MESSAGES/comfycord.mo`. A language without one reads English.
"""

import gettext
from functools import cache
from pathlib import Path

from bot.i18n import ENGLISH, Message

DOMAIN = "comfycord"
LOCALES = Path(__file__).parent.parent / "locales"


class Languages:
    """The catalogues of one folder, each loaded when it is first asked for."""

    def __init__(self, folder: Path = LOCALES) -> None:
        self._folder = folder
        self._load = cache(self._find)

    def render(self, message: Message, locale: str) -> str:
        """Return the text of `message` for a reader of `locale`, a Discord locale such as "pt-BR"."""
        return message.render(self._load(locale))

    def _find(self, locale: str) -> gettext.NullTranslations:
        names = [locale.replace("-", "_"), locale.partition("-")[0]]
        try:
            return gettext.translation(DOMAIN, self._folder, languages=names)
        except OSError:
            return ENGLISH
