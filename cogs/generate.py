"""One slash command for each workflow: takes what the member gave, and asks for more where they wish to."""

import discord
from discord.ext import commands

from bot.ui.commands import Given
from bot.ui.form import Forms
from bot.ui.ordering import Orders
from bot.ui.registrar import Registrar
from bot.workflow.manifest import ADVANCED
from bot.workflow.workflow import Workflow


class Generate(commands.Cog):
    """The commands of the workflows; `registrar` keeps them, `run` is what they do."""

    def __init__(self, *, orders: Orders, forms: Forms) -> None:
        self._orders = orders
        self._forms = forms
        self.registrar: Registrar | None = None

    async def run(self, interaction: discord.Interaction, workflow: Workflow, given: Given) -> None:
        """Answer a command."""
        asks_for_more = given.get(ADVANCED) is True and ADVANCED not in workflow.manifest.options
        given = {name: value for name, value in given.items() if name != ADVANCED or name in workflow.manifest.options}
        if asks_for_more:
            names = [name for name, _option in workflow.manifest.advanced_options()]
            await self._forms.open(interaction, workflow, given, names)
        else:
            await self._orders.place(interaction, workflow, given)
