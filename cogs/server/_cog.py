"""`/server`: add, drain and remove ComfyUI servers while the bot runs."""

import discord
from discord import app_commands
from discord.ext import commands

from cogs.server._service import ServerService

Url = app_commands.Range[str, 1, 500]
Name = app_commands.Range[str, 1, 32]
Chosen = app_commands.Range[str, 1, 100]


class ServerCommand(commands.Cog):
    """By default Discord shows these commands to moderators only; permissions are checked again at each use."""

    server = app_commands.Group(
        name="server",
        description="Manage ComfyUI servers",
        guild_only=True,
        default_permissions=discord.Permissions(manage_messages=True),
    )

    def __init__(self, *, desk: ServerService) -> None:
        self._desk = desk

    @server.command(name="add", description="Add a running ComfyUI server (bot owner only)")
    @app_commands.describe(url="Its address, e.g. http://192.168.1.20:8188", name="Its name (default: gpu1, gpu2 …)")
    async def add(self, interaction: discord.Interaction, url: Url, name: Name | None = None) -> None:
        await self._desk.add(interaction, url, name)

    @server.command(name="remove", description="Remove a ComfyUI server after its current requests (bot owner only)")
    @app_commands.describe(server="ComfyUI server")
    async def remove(self, interaction: discord.Interaction, server: Chosen) -> None:
        await self._desk.remove(interaction, server)

    @server.command(name="drain", description="Stop sending requests to a server, for maintenance (bot owner only)")
    @app_commands.describe(server="ComfyUI server")
    async def drain(self, interaction: discord.Interaction, server: Chosen) -> None:
        await self._desk.drain(interaction, server, drained=True)

    @server.command(name="resume", description="Resume sending requests to a drained server (bot owner only)")
    @app_commands.describe(server="ComfyUI server")
    async def resume(self, interaction: discord.Interaction, server: Chosen) -> None:
        await self._desk.drain(interaction, server, drained=False)

    @server.command(name="list", description="List ComfyUI servers, their state and what they can't run")
    async def list_servers(self, interaction: discord.Interaction) -> None:
        await self._desk.overview(interaction)

    @remove.autocomplete("server")
    @drain.autocomplete("server")
    @resume.autocomplete("server")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._desk.suggest(interaction, typed)
