"""Sentences for people, before they are in any language.

Domain code states *what* to say with `_()` and `n_()`; the text is looked up in a gettext catalogue only where it is
shown (`bot.ui.i18n`), because two people who read about the same job may read different languages.
Values are named and filled in after translation, so translators can reorder them; never put an f-string inside `_()`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from gettext import NullTranslations

ENGLISH = NullTranslations()
"""The catalogue that returns every text as it was written: ours are written in English."""


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence or short text for a person, with the values that belong in it.

    Values that are messages themselves are rendered in the same language.
    """

    text: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    plural: str | None = None
    count: int = 1

    def render(self, translations: NullTranslations = ENGLISH, escape: Callable[[str], str] = str) -> str:
        """Return the text in the language of `translations`, with its values filled in.

        `escape` is applied to values that are text: they may be what anybody wrote, and must not format the sentence.
        """
        if self.plural is None:
            template = translations.gettext(self.text)
        else:
            template = translations.ngettext(self.text, self.plural, self.count)
        values = {name: _filled(value, translations, escape) for name, value in self.values.items()}
        return template.format(**{"count": self.count, **values})

    def __str__(self) -> str:
        return self.render()


def _filled(value: object, translations: NullTranslations, escape: Callable[[str], str]) -> object:
    if isinstance(value, Message):
        return value.render(translations, escape)
    return escape(value) if isinstance(value, str) else value


def _(text: str, /, **values: object) -> Message:
    """Mark `text` for translation; `{name}` fields are filled from `values`."""
    return Message(text, values)


def n_(singular: str, plural: str, count: int, /, **values: object) -> Message:
    """Mark a text whose form depends on `count`, which is filled in as `{count}`."""
    return Message(singular, values, plural, count)


def verbatim(text: str) -> Message:
    """Wrap a text that is nobody's to translate: what an author or a member wrote."""
    return Message("{text}", {"text": text})
