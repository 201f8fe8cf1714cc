"""What a job's message shows, as plain values that can be compared (to skip needless edits) and tested.

`bot.ui.layout` turns a page into Discord's Components V2; `bot.ui.render` makes pages from jobs.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

VISUAL = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".mp4", ".webm", ".mov"}
"""File types that Discord shows in a media gallery."""


class Tone(Enum):
    """The message's accent colour."""

    WAITING = 0x80848E
    RUNNING = 0x5865F2
    DONE = 0x23A55A
    FAILED = 0xDA373C


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the message; its bytes are attached separately, under this name."""

    filename: str
    description: str = ""
    """Alternative text, at most 1024 characters."""

    @property
    def is_visual(self) -> bool:
        """Whether it goes into the gallery; other files are shown as downloads."""
        return PurePath(self.filename).suffix.lower() in VISUAL


@dataclass(frozen=True, slots=True)
class Button:
    custom_id: str
    label: str
    is_danger: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The whole message of a job. Texts are translated, escaped, and within Discord's limits."""

    title: str
    tone: Tone
    quote: str = ""
    """The member's prompt."""
    status: str = ""
    details: str = ""
    """Seed and settings, in small print."""
    pictures: tuple[Picture, ...] = ()
    buttons: tuple[Button, ...] = ()
    """At most five."""
