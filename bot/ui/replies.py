"""Replies to commands and clicks: in time, ephemeral, and without pings."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord import app_commands

from bot.i18n import Message
from bot.jobs.repository import DatabaseUnavailableError
from bot.ui.locale import Languages, cut
from bot.ui.page import SILENT, Tone

log = logging.getLogger(__name__)

GONE = {10062, 40060, 50027, 10015, 10008}
"""Error codes of interactions that can no longer be answered."""
ANSWER_TIMEOUT = 2.0
"""Seconds for the work before an answer; Discord waits three."""
AUTOCOMPLETE_TIMEOUT = 1.5
"""Seconds for the work before suggestions."""
MAX_CHOICES = 25
"""Discord's limit for autocomplete."""
MAX_CHOICE = 100
"""Characters of a suggestion's name or value."""
MAX_TEXT = 3600
"""Characters of a page below its heading; Discord allows 4000 in all texts of a message."""
MAX_SECTIONS = 30
"""Texts of a page; Discord allows 40 components in a message."""


@asynccontextmanager
async def in_time(seconds: float) -> AsyncGenerator[None]:
    """Raise `DatabaseUnavailableError` if the database takes too long: Discord wants an answer within three seconds."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DatabaseUnavailableError from error


async def reply_text(interaction: discord.Interaction, message: Message, languages: Languages) -> None:
    """Answer with a sentence, also after a deferred response."""
    text = languages.render(message, interaction.locale.value)
    if interaction.response.is_done():
        await interaction.edit_original_response(content=text, allowed_mentions=SILENT)
    else:
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=SILENT)


async def reply_ephemeral(interaction: discord.Interaction[Any], message: Message, languages: Languages) -> None:
    """Reply with a sentence, in a new message if the interaction was answered before; raises nothing."""
    text = languages.render(message, interaction.locale.value)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True, allowed_mentions=SILENT)
        else:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=SILENT)
    except discord.HTTPException as error:
        if error.code not in GONE:
            log.exception("cannot answer an interaction")
    except (OSError, TimeoutError) as error:  # discord.py lets errors of its HTTP library through
        log.warning("cannot answer an interaction: %r", error)
    except Exception:
        log.exception("cannot answer an interaction")


async def reply_view(interaction: discord.Interaction, view: discord.ui.LayoutView) -> None:
    await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=SILENT)


def text_page(heading: str, parts: Sequence[str], *, tone: Tone = Tone.RUNNING) -> discord.ui.LayoutView:
    """Return a page of rendered, escaped texts under a heading, cut with an ellipsis where it is too long."""
    view = discord.ui.LayoutView(timeout=None)
    texts = [discord.ui.TextDisplay[Any](part) for part in (f"**{heading}**", *_fitting(parts))]
    view.add_item(discord.ui.Container(*texts, accent_colour=tone.value))
    view.stop()  # it has no buttons
    return view


def _fitting(parts: Sequence[str]) -> list[str]:
    joined = [*parts[:MAX_SECTIONS], "\n".join(parts[MAX_SECTIONS:])]
    fitting: list[str] = []
    left = MAX_TEXT
    for part in joined:
        if left < len(part):
            return [*fitting, cut(part, left) if left > 1 else "…"]
        if part:
            fitting.append(part)
        left -= len(part)
    return fitting


def suggestions(choices: Sequence[tuple[str, str]], typed: str) -> list[app_commands.Choice[str]]:
    """Return the (name, value) pairs that match what is typed, within Discord's limits."""
    wanted = typed.casefold().strip()
    fitting = [(name, value) for name, value in choices if wanted in name.casefold() and 0 < len(value) <= MAX_CHOICE]
    return [app_commands.Choice(name=cut(name, MAX_CHOICE), value=value) for name, value in fitting[:MAX_CHOICES]]
