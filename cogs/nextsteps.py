"""The next-step buttons under a result, also after a restart."""

from functools import partial

import discord
from discord.ext import commands

from bot.ui.nextsteps import NextSteps
from bot.ui.pressing import job_button
from bot.ui.render import NEXT
from bot.workflow.extras import MAX_ACTIONS


class NextStepButtons(commands.Cog):
    def __init__(self, *, bot: discord.Client, steps: NextSteps) -> None:
        self._bot = bot
        self._buttons = [
            job_button(f"{NEXT}{number}:", partial(steps.press, number=number)) for number in range(MAX_ACTIONS)
        ]

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(*self._buttons)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(*self._buttons)
