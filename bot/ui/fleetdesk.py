"""What `/server` does: take ComfyUI servers in and out while the bot runs, let them rest, and show how they are.

For those who rule the servers (`bot.ui.authority`); moderators may look.
"""

import asyncio
from collections.abc import Awaitable, Callable

import discord
from discord import app_commands

from bot.errors import BotError, InputError
from bot.i18n import Message, _
from bot.jobs.fleetrecords import FleetRecords, ServerRecord
from bot.jobs.hints import Hints, Topic
from bot.jobs.survey import Survey
from bot.ui.answers import in_time, say, show, suggestions
from bot.ui.audit import Audit
from bot.ui.authority import Authority
from bot.ui.fleetlook import FleetLook, Line
from bot.ui.fleetpage import FleetPage
from bot.ui.i18n import Languages
from bot.workflow.needs import GIGABYTE, Abilities

ANSWER_LIMIT = 2.0
"""Seconds for what comes before an answer: Discord waits three for it."""
SUGGEST_LIMIT = 1.5
PROBE_LIMIT = 15.0
"""Seconds for a server to say that it is there. The command is acknowledged by then."""
STORE_LIMIT = 10.0
"""Seconds for writing it down after that."""


class FleetDesk:
    """Answers those who look after the servers.

    `key_of` reads an address that somebody typed and returns the server's key; it raises `BotError` when that is none.
    `probe` asks whether a ComfyUI answers there, and what it can do; it raises `BotError` too.
    """

    def __init__(
        self,
        *,
        fleet: FleetRecords,
        store: Line,
        survey: Callable[[], Awaitable[Survey]],
        key_of: Callable[[str], str],
        probe: Callable[[str], Awaitable[Abilities]],
        audit: Audit,
        hints: Hints,
        authority: Authority,
        languages: Languages,
    ) -> None:
        self._fleet = fleet
        self._look = FleetLook(fleet=fleet, store=store, survey=survey)
        self._key_of = key_of
        self._probe = probe
        self._audit = audit
        self._hints = hints
        self._authority = authority
        self._languages = languages
        self._page = FleetPage(languages)

    async def add(self, interaction: discord.Interaction, url: str, name: str | None) -> None:
        """Take a server in, once it has answered: that may take longer than Discord waits for an answer."""
        await self._authority.require_fleet(interaction)
        url = url.strip()
        key = self._key_of(url)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            message = await self._added(interaction, key, url, " ".join((name or "").split()))
        except BotError as error:
            message = error.user_message
        await say(interaction, message, self._languages)

    async def _added(self, interaction: discord.Interaction, key: str, url: str, name: str) -> Message:
        async with in_time(STORE_LIMIT):
            await self._refuse_known(key)
        abilities = await self._answer_of(url)
        async with in_time(STORE_LIMIT):
            record = await self._fleet.add(key, url, name, interaction.user.id)
            await self._audit.write(interaction, f"server {record.name} added: {key}")
        self._hints.send(Topic.FLEET)
        return _added(record, abilities)

    async def remove(self, interaction: discord.Interaction, name: str) -> None:
        """Take a server out; what it has in hand is finished."""
        record = await self._named(interaction, name)
        async with in_time(ANSWER_LIMIT):
            is_gone = await self._fleet.remove(record.key)
            await self._audit.write(interaction, f"server {record.name} removed: {record.key}")
        self._require_there(is_gone)
        await self._told(
            interaction,
            _("{name} was removed. What runs there is finished; what waited there goes back.", name=record.name),
        )

    async def drain(self, interaction: discord.Interaction, name: str, *, drained: bool) -> None:
        """Let a server get nothing new, or something again."""
        record = await self._named(interaction, name)
        async with in_time(ANSWER_LIMIT):
            is_there = await self._fleet.drain(record.key, drained=drained)
            await self._audit.write(interaction, f"server {record.name} {'drained' if drained else 'resumed'}")
        self._require_there(is_there)
        await self._told(
            interaction,
            _("{name} gets nothing new and finishes what it has. `/server resume` ends that.", name=record.name)
            if drained
            else _("{name} gets requests again.", name=record.name),
        )

    async def overview(self, interaction: discord.Interaction) -> None:
        """Show the servers."""
        is_ruler = await self._authority.rules_fleet(interaction)
        if not is_ruler:
            self._authority.require_moderator(interaction)
        async with in_time(ANSWER_LIMIT):
            servers = await self._look.look()
        await show(interaction, self._page.view(servers, interaction.locale.value, addresses=is_ruler))

    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return the names of the servers, to those who may do something with them."""
        try:
            async with asyncio.timeout(SUGGEST_LIMIT):
                await self._authority.require_fleet(interaction)
                records = await self._fleet.servers()
        except Exception:  # nobody can be answered in a list of suggestions
            return []
        return suggestions([(record.name, record.name) for record in records], typed)

    # ------------------------------------------------------------------ one server

    async def _named(self, interaction: discord.Interaction, name: str) -> ServerRecord:
        await self._authority.require_fleet(interaction)
        async with in_time(ANSWER_LIMIT):
            records = await self._fleet.servers()
        for record in records:
            if record.name.casefold() == name.strip().casefold():
                return record
        raise InputError(_("There is no server “{name}”. Please choose one from the list.", name=name[:40]))

    async def _refuse_known(self, key: str) -> None:
        for record in await self._fleet.servers():
            if record.key == key:
                raise InputError(_("That server is there already: {name}.", name=record.name))

    async def _answer_of(self, url: str) -> Abilities:
        try:
            async with asyncio.timeout(PROBE_LIMIT):
                return await self._probe(url)
        except TimeoutError as error:
            raise InputError(_("No ComfyUI answers there in time. Is it running, and is the address right?")) from error

    def _require_there(self, is_there: bool) -> None:
        if not is_there:
            raise InputError(_("That server is not there any more. `/server list` shows those that are."))

    async def _told(self, interaction: discord.Interaction, message: Message) -> None:
        self._hints.send(Topic.FLEET)
        self._hints.send(Topic.WORK)
        await say(interaction, message, self._languages)


def _added(record: ServerRecord, abilities: Abilities) -> Message:
    if not abilities.vram:
        return _("{name} was added. It gets requests as soon as the bot is connected to it.", name=record.name)
    return _(
        "{name} was added: ComfyUI {version}, {size} GB. It gets requests as soon as the bot is connected to it.",
        name=record.name,
        version=abilities.version or "?",
        size=f"{abilities.vram / GIGABYTE:.0f}",
    )
