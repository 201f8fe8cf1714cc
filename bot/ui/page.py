"""What a job's message shows, as plain values: compared to see whether an edit is worth sending, and tested as such.

`bot.ui.layout` turns a page into Discord's Components V2; `bot.ui.render` makes pages from jobs.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

VISUAL = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".mp4", ".webm", ".mov"}
"""What a gallery of Discord holds."""


class Tone(Enum):
    """The colour beside the message."""

    WAITING = 0x80848E
    RUNNING = 0x5865F2
    DONE = 0x23A55A
    FAILED = 0xDA373C


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the message's gallery; its bytes travel beside the page, under this file name."""

    filename: str
    description: str = ""
    """Alternative text, at most 1024 characters."""

    @property
    def is_visual(self) -> bool:
        """Whether Discord shows it; anything else is offered as a file."""
        return PurePath(self.filename).suffix.lower() in VISUAL


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press; whoever knows its `custom_id` answers."""

    custom_id: str
    label: str
    is_danger: bool = False
    """Whether it undoes something."""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything a reader sees of one job. Texts are ready: translated, escaped, and within Discord's limits."""

    title: str
    tone: Tone
    quote: str = ""
    """The member's own words."""
    status: str = ""
    details: str = ""
    """Seed and settings, in small print."""
    pictures: tuple[Picture, ...] = ()
    buttons: tuple[Button, ...] = ()
    """At most five."""
