"""Texts reach people in their language, when there is a catalogue for it."""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from bot.i18n import _, n_
from bot.ui.locale import Languages


def german(folder: Path) -> Languages:
    catalog = Catalog(locale="de")
    catalog.add("Queued: #{position} of {total}.", "Platz {position} von {total}.")
    catalog.add(("{count} picture", "{count} pictures"), ("{count} Bild", "{count} Bilder"))
    target = folder / "de" / "LC_MESSAGES" / "comfycord.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_mo(file, catalog)
    return Languages(folder)


def test_a_reader_gets_their_language_with_values_in_their_order(tmp_path: Path) -> None:
    message = _("Queued: #{position} of {total}.", position=3, total=7)
    languages = german(tmp_path)
    assert languages.render(message, "de") == "Platz 3 von 7."
    assert languages.render(message, "fr") == "Queued: #3 of 7."
    assert str(message) == "Queued: #3 of 7."


def test_plurals_and_messages_inside_messages(tmp_path: Path) -> None:
    languages = german(tmp_path)
    inner = n_("{count} picture", "{count} pictures", 2)
    assert languages.render(_("{what}!", what=inner), "de") == "2 Bilder!"
    assert languages.render(n_("{count} picture", "{count} pictures", 1), "en-GB") == "1 picture"


def test_braces_in_a_value_are_only_text() -> None:
    assert str(_("{text}", text="{count} {0} {missing}")) == "{count} {0} {missing}"
