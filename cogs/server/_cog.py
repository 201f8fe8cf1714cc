"""`/server`: adds, drains, resumes, removes and lists ComfyUI servers while the bot runs.

For bot admins (`bot.ui.access_checks`); moderators can list them.
"""

import asyncio
from collections.abc import Awaitable, Callable

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import BotError, InputError
from bot.i18n import Message, _
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.repository import JobRepository
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.server_registry import ServerRecord, ServerRegistry
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.locale import Languages
from bot.ui.pages.servers import ServersPage
from bot.ui.replies import ANSWER_TIMEOUT, AUTOCOMPLETE_TIMEOUT, in_time, reply_text, reply_view, suggestions
from bot.workflow.run.needs import GIGABYTE, Abilities
from cogs.server._status import read_servers

PROBE_TIMEOUT = 15.0
"""Seconds for a new server to respond. The command is acknowledged by then."""
DATABASE_TIMEOUT = 10.0
"""Seconds for each database access around the probe."""

Url = app_commands.Range[str, 1, 500]
NewName = app_commands.Range[str, 1, 32]
ServerName = app_commands.Range[str, 1, 100]


class ServerCommand(commands.Cog):
    """By default Discord shows these commands to moderators only; permissions are checked again at each use.

    `key_of` turns a typed address into the server's key; `probe` connects to it and returns its capabilities.
    Both raise `BotError`.
    """

    server = app_commands.Group(
        name="server",
        description="Manage ComfyUI servers",
        guild_only=True,
        default_permissions=discord.Permissions(manage_messages=True),
    )

    def __init__(
        self,
        *,
        registry: ServerRegistry,
        store: JobRepository,
        queue_view: QueueView,
        key_of: Callable[[str], str],
        probe: Callable[[str], Awaitable[Abilities]],
        audit: AuditLog,
        bus: NotificationBus,
        access: AccessChecks,
        languages: Languages,
    ) -> None:
        self._registry = registry
        self._store = store
        self._queue_view = queue_view
        self._key_of = key_of
        self._probe = probe
        self._audit = audit
        self._bus = bus
        self._access = access
        self._languages = languages
        self._page = ServersPage(languages)

    # ------------------------------------------------------------------ commands

    @server.command(name="add", description="Add a running ComfyUI server (bot owner only)")
    @app_commands.describe(url="Its address, e.g. http://192.168.1.20:8188", name="Its name (default: gpu1, gpu2 …)")
    async def add(self, interaction: discord.Interaction, url: Url, name: NewName | None = None) -> None:
        """Add a server once it has responded; deferred, since that can take longer than Discord waits."""
        await self._access.require_bot_admin(interaction)
        url = url.strip()
        key = self._key_of(url)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            message = await self._add(interaction, key, url, " ".join((name or "").split()))
        except BotError as error:
            message = error.user_message
        await reply_text(interaction, message, self._languages)

    @server.command(name="remove", description="Remove a ComfyUI server after its current requests (bot owner only)")
    @app_commands.describe(server="ComfyUI server")
    async def remove(self, interaction: discord.Interaction, server: ServerName) -> None:
        record = await self._find(interaction, server)
        async with in_time(ANSWER_TIMEOUT):
            was_registered = await self._registry.remove(record.key)
            await self._audit.write(interaction, f"server {record.name} removed: {record.key}")
        message = _("{name} removed. Running requests will finish; queued ones move elsewhere.", name=record.name)
        await self._finish(interaction, message, was_registered=was_registered)

    @server.command(name="drain", description="Stop sending requests to a server, for maintenance (bot owner only)")
    @app_commands.describe(server="ComfyUI server")
    async def drain(self, interaction: discord.Interaction, server: ServerName) -> None:
        await self._set_drained(interaction, server, drained=True)

    @server.command(name="resume", description="Resume sending requests to a drained server (bot owner only)")
    @app_commands.describe(server="ComfyUI server")
    async def resume(self, interaction: discord.Interaction, server: ServerName) -> None:
        await self._set_drained(interaction, server, drained=False)

    @server.command(name="list", description="List ComfyUI servers, their state and what they can't run")
    async def list_servers(self, interaction: discord.Interaction) -> None:
        is_admin = await self._access.is_bot_admin(interaction)
        if not is_admin:
            self._access.require_moderator(interaction)
        async with in_time(ANSWER_TIMEOUT):
            servers = await read_servers(self._registry, self._store, self._queue_view)
        await reply_view(interaction, self._page.view(servers, interaction.locale.value, addresses=is_admin))

    @remove.autocomplete("server")
    @drain.autocomplete("server")
    @resume.autocomplete("server")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest server names, to bot admins only."""
        try:
            async with asyncio.timeout(AUTOCOMPLETE_TIMEOUT):
                await self._access.require_bot_admin(interaction)
                records = await self._registry.servers()
        except Exception:  # autocomplete cannot show an error
            return []
        return suggestions([(record.name, record.name) for record in records], typed)

    # ------------------------------------------------------------------ one server

    async def _add(self, interaction: discord.Interaction, key: str, url: str, name: str) -> Message:
        async with in_time(DATABASE_TIMEOUT):
            for record in await self._registry.servers():
                if record.key == key:
                    raise InputError(_("That ComfyUI server has already been added: {name}.", name=record.name))
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                abilities = await self._probe(url)
        except TimeoutError as error:
            raise InputError(
                _("No answer from ComfyUI at that address. Is it running, and is the address right?")
            ) from error
        async with in_time(DATABASE_TIMEOUT):
            record = await self._registry.add(key, url, name, interaction.user.id)
            await self._audit.write(interaction, f"server {record.name} added: {key}")
        self._bus.send(Topic.FLEET)
        return _added(record, abilities)

    async def _set_drained(self, interaction: discord.Interaction, name: str, *, drained: bool) -> None:
        record = await self._find(interaction, name)
        async with in_time(ANSWER_TIMEOUT):
            is_registered = await self._registry.drain(record.key, drained=drained)
            await self._audit.write(interaction, f"server {record.name} {'drained' if drained else 'resumed'}")
        message = (
            _("{name} is draining: it finishes its current requests. Undo with `/server resume`.", name=record.name)
            if drained
            else _("{name} is back in rotation.", name=record.name)
        )
        await self._finish(interaction, message, was_registered=is_registered)

    async def _find(self, interaction: discord.Interaction, name: str) -> ServerRecord:
        await self._access.require_bot_admin(interaction)
        async with in_time(ANSWER_TIMEOUT):
            records = await self._registry.servers()
        for record in records:
            if record.name.casefold() == name.strip().casefold():
                return record
        raise InputError(_("There's no ComfyUI server “{name}”. Please pick one from the list.", name=name[:40]))

    async def _finish(self, interaction: discord.Interaction, message: Message, *, was_registered: bool) -> None:
        if not was_registered:
            raise InputError(_("That ComfyUI server has been removed. See `/server list`."))
        self._bus.send(Topic.FLEET)
        self._bus.send(Topic.WORK)
        await reply_text(interaction, message, self._languages)


def _added(record: ServerRecord, abilities: Abilities) -> Message:
    if not abilities.vram:
        return _("Added {name}. It gets requests as soon as I'm connected to it.", name=record.name)
    return _(
        "Added {name} (ComfyUI {version}, {size} GB). It gets requests as soon as I'm connected to it.",
        name=record.name,
        version=abilities.version or "?",
        size=f"{abilities.vram / GIGABYTE:.0f}",
    )
