"""Messages for people, not yet translated.

Domain code creates messages with `_()` and `n_()`. They are looked up in a gettext catalogue only where they are shown
(`bot.ui.locale`), because two people can read about the same job in different languages.
Values are named and filled in after translation, so translators can reorder them; never put an f-string inside `_()`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from gettext import NullTranslations

ENGLISH = NullTranslations()
"""Returns every text unchanged: the source texts are English."""


@dataclass(frozen=True, slots=True)
class Message:
    """A short text for a person, with its values. Nested messages are rendered in the same language."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    plural: str | None = None
    count: int = 1

    def render(self, translations: NullTranslations = ENGLISH, escape: Callable[[str], str] = str) -> str:
        """Translate the text and fill in its values.

        `escape` is applied to text values: they can be user input, which must not add formatting.
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
    """Mark a text whose form depends on `count`; both forms can use `{count}`."""
    return Message(singular, values, plural, count)


def verbatim(text: str) -> Message:
    """Wrap a text that is never translated: the words of an author or a member."""
    return Message("{text}", {"text": text})
