"""`/server`: ComfyUI servers come, rest and go while the bot runs."""

import discord
from discord import app_commands
from discord.ext import commands

from bot.ui.fleetdesk import FleetDesk

Url = app_commands.Range[str, 1, 500]
Name = app_commands.Range[str, 1, 32]
Chosen = app_commands.Range[str, 1, 100]


class ServerCommand(commands.Cog):
    """Hands wishes on. Discord shows the commands to moderators; who may do what is asked again at each use."""

    server = app_commands.Group(
        name="server",
        description="The ComfyUI servers: add, remove, let rest, look",
        guild_only=True,
        default_permissions=discord.Permissions(manage_messages=True),
    )

    def __init__(self, *, desk: FleetDesk) -> None:
        self._desk = desk

    @server.command(name="add", description="Take a ComfyUI server in; it must be running (owner of the bot)")
    @app_commands.describe(
        url="Where the bot finds it, such as http://192.168.1.20:8188", name="What to call it; gpu1, gpu2… if left out"
    )
    async def add(self, interaction: discord.Interaction, url: Url, name: Name | None = None) -> None:
        """Add a server."""
        await self._desk.add(interaction, url, name)

    @server.command(name="remove", description="Take a server out; what runs there is finished (owner of the bot)")
    @app_commands.describe(server="Which one")
    async def remove(self, interaction: discord.Interaction, server: Chosen) -> None:
        """Remove a server."""
        await self._desk.remove(interaction, server)

    @server.command(name="drain", description="Give a server nothing new, for maintenance (owner of the bot)")
    @app_commands.describe(server="Which one")
    async def drain(self, interaction: discord.Interaction, server: Chosen) -> None:
        """Drain a server."""
        await self._desk.drain(interaction, server, drained=True)

    @server.command(name="resume", description="Give a drained server requests again (owner of the bot)")
    @app_commands.describe(server="Which one")
    async def resume(self, interaction: discord.Interaction, server: Chosen) -> None:
        """Let a server get requests again."""
        await self._desk.drain(interaction, server, drained=False)

    @server.command(name="list", description="Which servers there are, how they are, and what they cannot run")
    async def list_servers(self, interaction: discord.Interaction) -> None:
        """Show the servers."""
        await self._desk.overview(interaction)

    @remove.autocomplete("server")
    @drain.autocomplete("server")
    @resume.autocomplete("server")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest servers."""
        return await self._desk.suggest(interaction, typed)
