"""`/workflow`: which workflows there are, and which a guild has, with which defaults and limits."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.addition import Addition
from bot.ui.workflowdesk import WorkflowDesk

Name = app_commands.Range[str, 1, 100]
Value = app_commands.Range[str, 1, 2000]
Channel = discord.TextChannel | discord.CategoryChannel | discord.ForumChannel | discord.VoiceChannel


class WorkflowCommand(commands.Cog):
    """Hands wishes on. Discord shows the commands to managers; who may do what is asked again at each use."""

    workflow = app_commands.Group(
        name="workflow",
        description="The workflows: look, add, switch on and off, defaults and limits",
        guild_only=True,
        default_permissions=discord.Permissions(manage_guild=True),
    )

    def __init__(self, *, desk: WorkflowDesk, addition: Addition) -> None:
        self._desk = desk
        self._addition = addition

    @workflow.command(name="list", description="Which workflows there are, and what is wrong with those that are off")
    @app_commands.describe(workflow="Only this one, with all there is to say")
    async def list_workflows(self, interaction: discord.Interaction, workflow: Name | None = None) -> None:
        """Show workflows."""
        await self._desk.overview(interaction, workflow)

    @workflow.command(name="reload", description="Read the folder of workflows again at once (owner of the bot)")
    async def reload(self, interaction: discord.Interaction) -> None:
        """Read the folder."""
        await self._desk.reload(interaction)

    @workflow.command(name="add", description="Make a command from a file or picture of ComfyUI (owner of the bot)")
    @app_commands.describe(file="A workflow that ComfyUI saved or exported, or a picture it made", name="The command")
    async def add(
        self,
        interaction: discord.Interaction,
        file: discord.Attachment,
        name: app_commands.Range[str, 1, 32] | None = None,
    ) -> None:
        """Add a workflow."""
        await self._addition.propose(interaction, file, name)

    @workflow.command(name="enable", description="Let a workflow be used here, or in one channel")
    @app_commands.describe(
        workflow="Which one", channel="The channel or category that this is about; empty: everywhere here"
    )
    async def enable(self, interaction: discord.Interaction, workflow: Name, channel: Channel | None = None) -> None:
        """Switch a workflow on."""
        await self._desk.switch(interaction, workflow, channel, is_enabled=True)

    @workflow.command(name="disable", description="Let a workflow not be used here, or in one channel")
    @app_commands.describe(
        workflow="Which one", channel="The channel or category that this is about; empty: everywhere here"
    )
    async def disable(self, interaction: discord.Interaction, workflow: Name, channel: Channel | None = None) -> None:
        """Switch a workflow off."""
        await self._desk.switch(interaction, workflow, channel, is_enabled=False)

    @workflow.command(name="default", description="What an option is when a member says nothing; empty: as it was")
    @app_commands.describe(
        workflow="Which one", option="Of what", value="The new default", channel="Only in this channel or category"
    )
    async def default(
        self,
        interaction: discord.Interaction,
        workflow: Name,
        option: Name,
        value: Value | None = None,
        channel: Channel | None = None,
    ) -> None:
        """Set a default."""
        await self._desk.default(interaction, workflow, option, value, channel)

    @workflow.command(name="limit", description="The most that one request may ask for here; 0: no limit of our own")
    @app_commands.describe(
        largest_side="Pixels of the longer side",
        megapixels="Size of one picture, in 1024 × 1024 pixels",
        most_steps="Sampling steps",
        most_pictures="Pictures at once",
    )
    async def limit(
        self,
        interaction: discord.Interaction,
        largest_side: app_commands.Range[int, 0, 100_000] | None = None,
        megapixels: app_commands.Range[float, 0.0, 1000.0] | None = None,
        most_steps: app_commands.Range[int, 0, 10_000] | None = None,
        most_pictures: app_commands.Range[int, 0, 1000] | None = None,
    ) -> None:
        """Set limits."""
        await self._desk.limit(
            interaction, side=largest_side, megapixels=megapixels, steps=most_steps, pictures=most_pictures
        )

    @list_workflows.autocomplete("workflow")
    @enable.autocomplete("workflow")
    @disable.autocomplete("workflow")
    @default.autocomplete("workflow")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest workflows."""
        return await self._desk.suggest(interaction, typed)

    @default.autocomplete("option")
    async def suggest_option(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest options of the chosen workflow."""
        return await self._desk.suggest_option(interaction, str(interaction.namespace.workflow or ""), typed)

    @default.autocomplete("value")
    async def suggest_value(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest values of the chosen option."""
        chosen = interaction.namespace
        return await self._desk.suggest_value(interaction, str(chosen.workflow or ""), str(chosen.option or ""), typed)
