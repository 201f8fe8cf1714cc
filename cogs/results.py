"""The button *Show result*: found by its custom id, so that it works for as long as its message stands."""

import re
from typing import Any, Self, TypeAlias, cast

import discord
from discord.ext import commands

from bot.ui.render import SHOW_RESULT
from bot.ui.resume import ShowResult

Pressed: TypeAlias = discord.ui.DynamicItem[discord.ui.Button[Any]]


class Results(commands.Cog):
    """Hands presses on."""

    def __init__(self, *, bot: discord.Client, show: ShowResult) -> None:
        self._bot = bot
        self._button = _button(show)

    async def cog_load(self) -> None:
        """Listen to presses."""
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        """Listen no more."""
        self._bot.remove_dynamic_items(self._button)


def _button(show: ShowResult) -> type[Pressed]:
    """Return the class that discord.py makes an item of for each press: it must find `show` by itself."""

    class ShowButton(
        discord.ui.DynamicItem[discord.ui.Button[Any]],
        template=re.compile(re.escape(SHOW_RESULT) + r"(?P<job_id>[\w-]{1,80})"),
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
            await show.press(interaction, self._job_id)

    return ShowButton
