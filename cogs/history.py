"""`/history`: a member's own jobs, for nobody else to see, and their results once more."""

import re
from typing import Any, Self

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.again import History
from bot.ui.historypage import CHOOSE, TURN


class HistoryCommand(commands.Cog):
    """The command, and what is pressed in its answer: also in answers from before a restart."""

    def __init__(self, *, bot: commands.AutoShardedBot, history: History) -> None:
        self._bot = bot
        self._history = history
        self._items = (_menu(history), _turn(history))

    async def cog_load(self) -> None:
        """Answer the menus and buttons of all messages."""
        self._bot.add_dynamic_items(*self._items)

    async def cog_unload(self) -> None:
        """Stop that."""
        self._bot.remove_dynamic_items(*self._items)

    @app_commands.command(name="history", description="Your requests: how they stand, and their pictures once more")
    async def history(self, interaction: discord.Interaction) -> None:
        """Show the newest page."""
        await self._history.open(interaction)


def _menu(history: History) -> type[discord.ui.DynamicItem[discord.ui.Select[Any]]]:
    class Menu(discord.ui.DynamicItem[discord.ui.Select[Any]], template=re.escape(CHOOSE)):
        """Shows the chosen result again."""

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
        """Turns to another page."""

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
