"""`/cancel`, and the button *Cancel* under a job's message: also under messages from before a restart."""

import re
from typing import Any, Self, TypeAlias, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.cancel import CancelJobs
from bot.ui.render import CANCEL

Pressed: TypeAlias = discord.ui.DynamicItem[discord.ui.Button[Any]]


class CancelCommand(commands.Cog):
    """Hands wishes on."""

    def __init__(self, *, bot: discord.Client, jobs: CancelJobs) -> None:
        self._bot = bot
        self._jobs = jobs
        self._button = _button(jobs)

    async def cog_load(self) -> None:
        """Listen to presses."""
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        """Listen no more."""
        self._bot.remove_dynamic_items(self._button)

    @app_commands.command(name="cancel", description="End a request that waits or runs")
    @app_commands.describe(job="Which one; not needed if there is only one of yours")
    async def cancel(self, interaction: discord.Interaction, job: str | None = None) -> None:
        """Cancel the chosen job."""
        await self._jobs.command(interaction, job)

    @cancel.autocomplete("job")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest what may be cancelled."""
        return await self._jobs.suggest(interaction, typed)


def _button(jobs: CancelJobs) -> type[Pressed]:
    """Return the class that discord.py makes an item of for each press: it must find `jobs` by itself."""

    class CancelButton(
        discord.ui.DynamicItem[discord.ui.Button[Any]],
        template=re.compile(re.escape(CANCEL) + r"(?P<job_id>[\w-]{1,80})"),
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
            await jobs.press(interaction, self._job_id)

    return CancelButton
