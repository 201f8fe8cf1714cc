"""`/server`: adds, drains, resumes, removes and lists ComfyUI servers while the bot runs.

For bot admins (`bot.ui.access_checks`); moderators can list them.
"""

import asyncio
from collections.abc import Awaitable, Callable

import discord
from discord import app_commands

from bot.errors import BotError, InputError
from bot.i18n import Message, _
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.server_registry import ServerRecord, ServerRegistry
from bot.jobs.status import QueueStatus
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.locale import Languages
from bot.ui.pages.servers import ServersPage
from bot.ui.replies import (
    in_time,
    reply_text,
    reply_view,
    suggestions,
)
from bot.workflow.run.needs import GIGABYTE, Abilities
from cogs.server._status import Line, ServerStatus

ANSWER_LIMIT = 2.0
"""Seconds for the work before an answer; Discord waits three."""
SUGGEST_LIMIT = 1.5
PROBE_LIMIT = 15.0
"""Seconds for a new server to respond. The command is acknowledged by then."""
STORE_LIMIT = 10.0
"""Seconds for each database access around the probe."""


class ServerService:
    """`key_of` turns a typed address into the server's key; `probe` connects to it and returns its capabilities.

    Both raise `BotError`.
    """

    def __init__(
        self,
        *,
        fleet: ServerRegistry,
        store: Line,
        survey: Callable[[], Awaitable[QueueStatus]],
        key_of: Callable[[str], str],
        probe: Callable[[str], Awaitable[Abilities]],
        audit: AuditLog,
        bus: NotificationBus,
        access: AccessChecks,
        languages: Languages,
    ) -> None:
        self._fleet = fleet
        self._look = ServerStatus(fleet=fleet, store=store, survey=survey)
        self._key_of = key_of
        self._probe = probe
        self._audit = audit
        self._bus = bus
        self._access = access
        self._languages = languages
        self._page = ServersPage(languages)

    async def add(self, interaction: discord.Interaction, url: str, name: str | None) -> None:
        """Add a server once it has responded; deferred, since that can take longer than Discord waits."""
        await self._access.require_bot_admin(interaction)
        url = url.strip()
        key = self._key_of(url)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            message = await self._added(interaction, key, url, " ".join((name or "").split()))
        except BotError as error:
            message = error.user_message
        await reply_text(interaction, message, self._languages)

    async def _added(self, interaction: discord.Interaction, key: str, url: str, name: str) -> Message:
        async with in_time(STORE_LIMIT):
            await self._refuse_known(key)
        abilities = await self._answer_of(url)
        async with in_time(STORE_LIMIT):
            record = await self._fleet.add(key, url, name, interaction.user.id)
            await self._audit.write(interaction, f"server {record.name} added: {key}")
        self._bus.send(Topic.FLEET)
        return _added(record, abilities)

    async def remove(self, interaction: discord.Interaction, name: str) -> None:
        """Remove a server; its running jobs finish."""
        record = await self._named(interaction, name)
        async with in_time(ANSWER_LIMIT):
            is_gone = await self._fleet.remove(record.key)
            await self._audit.write(interaction, f"server {record.name} removed: {record.key}")
        self._require_there(is_gone)
        await self._reply(
            interaction,
            _("{name} removed. Running requests will finish; queued ones move elsewhere.", name=record.name),
        )

    async def drain(self, interaction: discord.Interaction, name: str, *, drained: bool) -> None:
        """Stop or resume sending new jobs to a server."""
        record = await self._named(interaction, name)
        async with in_time(ANSWER_LIMIT):
            is_there = await self._fleet.drain(record.key, drained=drained)
            await self._audit.write(interaction, f"server {record.name} {'drained' if drained else 'resumed'}")
        self._require_there(is_there)
        await self._reply(
            interaction,
            _("{name} is draining: it finishes its current requests. Undo with `/server resume`.", name=record.name)
            if drained
            else _("{name} is back in rotation.", name=record.name),
        )

    async def overview(self, interaction: discord.Interaction) -> None:
        is_ruler = await self._access.is_bot_admin(interaction)
        if not is_ruler:
            self._access.require_moderator(interaction)
        async with in_time(ANSWER_LIMIT):
            servers = await self._look.read()
        await reply_view(interaction, self._page.view(servers, interaction.locale.value, addresses=is_ruler))

    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return the server names, for bot admins only."""
        try:
            async with asyncio.timeout(SUGGEST_LIMIT):
                await self._access.require_bot_admin(interaction)
                records = await self._fleet.servers()
        except Exception:  # autocomplete cannot show an error
            return []
        return suggestions([(record.name, record.name) for record in records], typed)

    # ------------------------------------------------------------------ one server

    async def _named(self, interaction: discord.Interaction, name: str) -> ServerRecord:
        await self._access.require_bot_admin(interaction)
        async with in_time(ANSWER_LIMIT):
            records = await self._fleet.servers()
        for record in records:
            if record.name.casefold() == name.strip().casefold():
                return record
        raise InputError(_("There's no ComfyUI server “{name}”. Please pick one from the list.", name=name[:40]))

    async def _refuse_known(self, key: str) -> None:
        for record in await self._fleet.servers():
            if record.key == key:
                raise InputError(_("That ComfyUI server has already been added: {name}.", name=record.name))

    async def _answer_of(self, url: str) -> Abilities:
        try:
            async with asyncio.timeout(PROBE_LIMIT):
                return await self._probe(url)
        except TimeoutError as error:
            raise InputError(
                _("No answer from ComfyUI at that address. Is it running, and is the address right?")
            ) from error

    def _require_there(self, is_there: bool) -> None:
        if not is_there:
            raise InputError(_("That ComfyUI server has been removed. See `/server list`."))

    async def _reply(self, interaction: discord.Interaction, message: Message) -> None:
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
