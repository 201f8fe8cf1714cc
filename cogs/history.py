"""`/history`: a member's own jobs and their results, in private answers."""

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.again import History
from bot.ui.historypage import CHOOSE, TURN


class HistoryCommand(commands.Cog):
    """The command and the components of its answers, which still work after a restart."""

    def __init__(self, *, bot: commands.AutoShardedBot, history: History) -> None:
        self._bot = bot
        self._history = history
        self._items = (_menu(history), _turn(history))

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(*self._items)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(*self._items)

    @app_commands.command(name="history", description="Your past requests and their images")
    async def history(self, interaction: discord.Interaction) -> None:
        await self._history.open(interaction)


def _menu(history: History) -> type[discord.ui.DynamicItem[discord.ui.Select[Any]]]:
    class Menu(discord.ui.DynamicItem[discord.ui.Select[Any]], template=re.escape(CHOOSE)):
        @classmethod
        async def from_custom_id(
            cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], _match: re.Match[str], /
        ) -> Self:
            return cls(item)  # pyright: ignore[reportArgumentType]  # the menu of that custom id

        async def callback(self, interaction: discord.Interaction) -> None:
            chosen: list[str] = (interaction.data or {}).get("values", [])
            await history.show(interaction, chosen[0] if chosen else "")

    return Menu


def _turn(history: History) -> type[discord.ui.DynamicItem[discord.ui.Button[Any]]]:
    class Turn(discord.ui.DynamicItem[discord.ui.Button[Any]], template=re.escape(TURN) + r"(?P<number>\d{1,6})"):
        def __init__(self, item: discord.ui.Button[Any], number: int) -> None:
            super().__init__(item)
            self.number = number

        @classmethod
        async def from_custom_id(
            cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(item, int(match["number"]))  # pyright: ignore[reportArgumentType]  # the button of that custom id

        async def callback(self, interaction: discord.Interaction) -> None:
            await history.turn(interaction, self.number)

    return Turn
