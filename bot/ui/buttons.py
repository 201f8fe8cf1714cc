"""Buttons that belong to a job, and ephemeral replies to clicks.

They are routed by custom id, so they work for as long as the message exists, also after a restart.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeAlias, cast

import discord

from bot.i18n import Message
from bot.ui.locale import Languages
from bot.ui.page import SILENT

log = logging.getLogger(__name__)

JobButton: TypeAlias = discord.ui.DynamicItem[discord.ui.Button[Any]]
Press: TypeAlias = Callable[[discord.Interaction[Any], str], Awaitable[None]]
"""Handles a click; gets the interaction and the job's id."""


def job_button(prefix: str, press: Press) -> type[JobButton]:
    """Return the dynamic item for buttons whose custom id is `prefix` and a job's id.

    discord.py instantiates the class itself, so `press` is bound in a closure.
    """

    class Pressed(
        discord.ui.DynamicItem[discord.ui.Button[Any]],
        template=re.compile(re.escape(prefix) + r"(?P<job_id>[\w-]{1,80})"),
    ):
        def __init__(self, item: discord.ui.Button[Any], job_id: str) -> None:
            super().__init__(item)
            self._job_id = job_id

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(cast("discord.ui.Button[Any]", item), match["job_id"])

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            await press(interaction, self._job_id)

    return Pressed


async def reply_ephemeral(interaction: discord.Interaction[Any], message: Message, languages: Languages) -> None:
    """Reply ephemerally to a click, whether or not it was answered before; raises nothing."""
    text = languages.render(message, interaction.locale.value)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True, allowed_mentions=SILENT)
        else:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=SILENT)
    except Exception:  # discord.py lets errors of its HTTP library through
        log.warning("cannot answer a button click", exc_info=True)
