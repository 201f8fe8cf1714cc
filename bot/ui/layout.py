"""Turns a `Page` into a Discord message: one container of Components V2, with its buttons and without a ping."""

from typing import Any

import discord

from bot.ui.page import Button, Page

SILENT = discord.AllowedMentions.none()
"""No prompt pings anybody."""


def layout(page: Page) -> discord.ui.LayoutView:
    """Return the components of `page`. Its files must be attached under the names that the page uses."""
    quote = f"\n> {page.quote}" if page.quote else ""
    items: list[discord.ui.Item[Any]] = [discord.ui.TextDisplay(f"**{page.title}**{quote}")]
    if page.status:  # apart from the quotation, which some clients would let it continue
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
    view.stop()  # presses are answered by custom id, also after a restart: discord.py need not keep the view
    return view


def _button(button: Button) -> discord.ui.Button[Any]:
    style = discord.ButtonStyle.danger if button.is_danger else discord.ButtonStyle.secondary
    return discord.ui.Button(label=button.label, custom_id=button.custom_id, style=style)
