"""Buttons that are routed by custom id, so they work for as long as their message exists, also after a restart."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeAlias, cast

import discord

Press: TypeAlias = Callable[[discord.Interaction[Any], str], Awaitable[None]]
"""Handles a click; gets the interaction and the argument in the custom id. Errors are shown to the user."""


def dynamic_button(prefix: str, press: Press) -> type[discord.ui.DynamicItem[discord.ui.Button[Any]]]:
    """Return the dynamic item for buttons whose custom id is `prefix` and an argument, such as a job's id.

    discord.py instantiates the class itself, so `press` is bound in a closure.
    """

    class DynamicButton(
        discord.ui.DynamicItem[discord.ui.Button[Any]],
        template=re.compile(re.escape(prefix) + r"(?P<argument>[\w-]{1,80})"),
    ):
        def __init__(self, item: discord.ui.Button[Any], argument: str) -> None:
            super().__init__(item)
            self._argument = argument

        @classmethod
        async def from_custom_id(
            cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(cast("discord.ui.Button[Any]", item), match["argument"])

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            try:
                await press(interaction, self._argument)
            except Exception as error:  # discord.py would only log it
                await interaction.client.tree.reply_error(interaction, error)

    return DynamicButton
