"""Turns a `Page` into a Discord message: a Components V2 container with buttons."""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import discord

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


SILENT = discord.AllowedMentions.none()
"""Prompts never ping anyone."""


def layout(page: Page) -> discord.ui.LayoutView:
    """Return the components of `page`. The message must attach the page's files under the same names."""
    quote = f"\n> {page.quote}" if page.quote else ""
    items: list[discord.ui.Item[Any]] = [discord.ui.TextDisplay(f"**{page.title}**{quote}")]
    if page.status:  # a separate component: some clients would render it as part of the quote
        items.append(discord.ui.TextDisplay(page.status))
    gallery = [
        discord.MediaGalleryItem(f"attachment://{picture.filename}", description=picture.description or None)
        for picture in page.pictures
        if picture.is_visual
    ]
    if gallery:
        items.append(discord.ui.MediaGallery(*gallery))
    files = (picture for picture in page.pictures if not picture.is_visual)
    items.extend(discord.ui.File(f"attachment://{file.filename}") for file in files)
    if page.details:
        items.append(discord.ui.TextDisplay(f"-# {page.details}"))
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.Container(*items, accent_colour=page.tone.value))
    if page.buttons:
        view.add_item(discord.ui.ActionRow(*(_button(button) for button in page.buttons)))
    view.stop()  # clicks are routed by custom id, also after a restart, so discord.py need not keep the view
    return view


def _button(button: Button) -> discord.ui.Button[Any]:
    style = discord.ButtonStyle.danger if button.is_danger else discord.ButtonStyle.secondary
    return discord.ui.Button(label=button.label, custom_id=button.custom_id, style=style)
