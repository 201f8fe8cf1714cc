"""`/workflow`: lists and adds workflows; enables them and sets defaults and limits per guild."""

import discord
from discord import app_commands
from discord.ext import commands

from cogs.workflow._add import AddWorkflow
from cogs.workflow._service import WorkflowService

Name = app_commands.Range[str, 1, 100]
Value = app_commands.Range[str, 1, 2000]
Channel = discord.TextChannel | discord.CategoryChannel | discord.ForumChannel | discord.VoiceChannel


class WorkflowCommand(commands.Cog):
    """By default Discord shows these commands to managers only; permissions are checked again at each use."""

    workflow = app_commands.Group(
        name="workflow",
        description="Manage workflows",
        guild_only=True,
        default_permissions=discord.Permissions(manage_guild=True),
    )

    def __init__(self, *, desk: WorkflowService, addition: AddWorkflow) -> None:
        self._desk = desk
        self._addition = addition

    @workflow.command(name="list", description="List workflows and why some are off")
    @app_commands.describe(workflow="Show details of one workflow")
    async def list_workflows(self, interaction: discord.Interaction, workflow: Name | None = None) -> None:
        await self._desk.overview(interaction, workflow)

    @workflow.command(name="reload", description="Reload the workflow folder (bot owner only)")
    async def reload(self, interaction: discord.Interaction) -> None:
        await self._desk.reload(interaction)

    @workflow.command(name="add", description="Turn a ComfyUI workflow (JSON or image) into a command (bot owner only)")
    @app_commands.describe(file="Workflow saved or exported by ComfyUI, or an image it made", name="Command name")
    async def add(
        self,
        interaction: discord.Interaction,
        file: discord.Attachment,
        name: app_commands.Range[str, 1, 32] | None = None,
    ) -> None:
        await self._addition.propose(interaction, file, name)

    @workflow.command(name="enable", description="Enable a workflow here or in one channel")
    @app_commands.describe(workflow="Workflow", channel="Channel or category (default: whole Discord server)")
    async def enable(self, interaction: discord.Interaction, workflow: Name, channel: Channel | None = None) -> None:
        await self._desk.switch(interaction, workflow, channel, is_enabled=True)

    @workflow.command(name="disable", description="Disable a workflow here or in one channel")
    @app_commands.describe(workflow="Workflow", channel="Channel or category (default: whole Discord server)")
    async def disable(self, interaction: discord.Interaction, workflow: Name, channel: Channel | None = None) -> None:
        await self._desk.switch(interaction, workflow, channel, is_enabled=False)

    @workflow.command(name="default", description="Change an option's default here (omit the value to reset it)")
    @app_commands.describe(
        workflow="Workflow", option="Option", value="New default", channel="Only in this channel or category"
    )
    async def default(
        self,
        interaction: discord.Interaction,
        workflow: Name,
        option: Name,
        value: Value | None = None,
        channel: Channel | None = None,
    ) -> None:
        await self._desk.default(interaction, workflow, option, value, channel)

    @workflow.command(name="limit", description="Set per-request limits here (0 = no limit)")
    @app_commands.describe(
        largest_side="Longest side in pixels",
        megapixels="Megapixels per image (1 = 1024 × 1024 pixels)",
        most_steps="Sampling steps",
        most_pictures="Images per request",
    )
    async def limit(
        self,
        interaction: discord.Interaction,
        largest_side: app_commands.Range[int, 0, 100_000] | None = None,
        megapixels: app_commands.Range[float, 0.0, 1000.0] | None = None,
        most_steps: app_commands.Range[int, 0, 10_000] | None = None,
        most_pictures: app_commands.Range[int, 0, 1000] | None = None,
    ) -> None:
        await self._desk.limit(
            interaction, side=largest_side, megapixels=megapixels, steps=most_steps, pictures=most_pictures
        )

    @list_workflows.autocomplete("workflow")
    @enable.autocomplete("workflow")
    @disable.autocomplete("workflow")
    @default.autocomplete("workflow")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._desk.suggest(interaction, typed)

    @default.autocomplete("option")
    async def suggest_option(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._desk.suggest_option(interaction, str(interaction.namespace.workflow or ""), typed)

    @default.autocomplete("value")
    async def suggest_value(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        chosen = interaction.namespace
        return await self._desk.suggest_value(interaction, str(chosen.workflow or ""), str(chosen.option or ""), typed)
