"""`/workflow list`, `reload`, `enable`, `disable`, `default` and `limit`.

Guild managers decide for their guild; `reload` needs a bot admin (`bot.ui.access_checks`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import discord
from discord import app_commands

from bot.errors import InputError
from bot.i18n import Message, _
from bot.policy.guild_workflows import (
    EVERYWHERE,
    GuildLimits,
    Value,
    WorkflowRule,
    WorkflowRulesRepository,
)
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.guild_rules import GuildRules
from bot.ui.locale import Languages
from bot.ui.pages.workflows import WorkflowPage
from bot.ui.replies import (
    in_time,
    reply_text,
    reply_view,
    suggestions,
)
from bot.workflow.library.library import Library, LibraryEntry
from bot.workflow.manifest.values import Choice
from bot.workflow.ranking import Index
from bot.workflow.text_format import joined, nearest, shown
from bot.workflow.workflow import Workflow

ANSWER_LIMIT = 2.0
"""Seconds for the work before an answer; Discord waits three."""
MEGAPIXEL = 1024 * 1024


class WorkflowService:
    """`reason_off` says why a valid workflow is unavailable at the moment."""

    def __init__(
        self,
        *,
        library: Library,
        rules: WorkflowRulesRepository,
        house: GuildRules,
        reason_off: Callable[[Workflow], Message | None],
        on_change: Callable[[], None],
        autocompleter: Autocompleter,
        audit: AuditLog,
        access: AccessChecks,
        languages: Languages,
    ) -> None:
        self._library = library
        self._rules = rules
        self._house = house
        self._reason_off = reason_off
        self._on_change = on_change
        self._autocompleter = autocompleter
        self._audit = audit
        self._access = access
        self._languages = languages
        self._page = WorkflowPage(languages)

    # ------------------------------------------------------------------ overview

    async def overview(self, interaction: discord.Interaction, name: str | None) -> None:
        guild_id = await self._manager(interaction)
        async with in_time(ANSWER_LIMIT):
            rules = await self._house.of(guild_id)
        locale = interaction.locale.value
        if name is None:
            view = self._page.overview(self._library.entries(), self._reason_off, rules, locale)
        else:
            entry = self._entry(name)
            off = self._reason_off(entry.workflow) if entry.workflow else None
            view = self._page.details(entry, off, rules, locale)
        await reply_view(interaction, view)

    async def reload(self, interaction: discord.Interaction) -> None:
        await self._access.require_bot_admin(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        changes = await self._library.reload()
        self._on_change()
        await reply_text(interaction, self._page.changes(changes, self._library.problems), self._languages)

    # ------------------------------------------------------------------ guild rules

    async def switch(
        self, interaction: discord.Interaction, name: str, channel: discord.abc.GuildChannel | None, *, is_enabled: bool
    ) -> None:
        """Enable or disable a workflow in a guild or channel."""
        guild_id = await self._manager(interaction)
        workflow = self._workflow(name)
        place = channel.id if channel else EVERYWHERE
        async with in_time(ANSWER_LIMIT):
            before = await self._rule(guild_id, workflow.name, place)
            decided = True if is_enabled and place != EVERYWHERE else None if is_enabled else False
            await self._keep(interaction, replace(before, is_enabled=decided), "enabled" if is_enabled else "disabled")
        where = _where(channel)
        await reply_text(
            interaction,
            _("/{name} is now enabled {where}.", name=workflow.name, where=where)
            if is_enabled
            else _(
                "/{name} is now disabled {where}. Requests already in the queue will still finish.",
                name=workflow.name,
                where=where,
            ),
            self._languages,
        )

    async def default(
        self,
        interaction: discord.Interaction,
        name: str,
        option: str,
        value: str | None,
        channel: discord.abc.GuildChannel | None,
    ) -> None:
        """Set the default of an option in a guild or channel; None as `value` removes it."""
        guild_id = await self._manager(interaction)
        workflow = self._workflow(name)
        chosen = self._option(workflow, option)
        kept: Value | None = None if value is None else _kept(workflow, chosen, value)
        place = channel.id if channel else EVERYWHERE
        async with in_time(ANSWER_LIMIT):
            before = await self._rule(guild_id, workflow.name, place)
            defaults = {key: each for key, each in before.defaults.items() if key != chosen}
            if kept is not None:
                defaults[chosen] = kept
            await self._keep(interaction, replace(before, defaults=defaults), f"default of {chosen}: {kept}")
        facts = {"option": chosen, "name": workflow.name, "where": _where(channel)}
        await reply_text(
            interaction,
            _("Default for `{option}` in /{name} reset {where}.", **facts)
            if kept is None
            else _("Default for `{option}` in /{name} is now {value} {where}.", value=shown(kept), **facts),
            self._languages,
        )

    async def limit(
        self,
        interaction: discord.Interaction,
        *,
        side: int | None,
        megapixels: float | None,
        steps: int | None,
        pictures: int | None,
    ) -> None:
        """Set a guild's per-request limits; 0 removes one, None keeps it."""
        guild_id = await self._manager(interaction)
        async with in_time(ANSWER_LIMIT):
            before = (await self._house.of(guild_id)).limits or GuildLimits(guild_id)
            after = replace(
                before,
                max_side=before.max_side if side is None else side,
                max_pixels=before.max_pixels if megapixels is None else round(megapixels * MEGAPIXEL),
                max_steps=before.max_steps if steps is None else steps,
                max_count=before.max_count if pictures is None else pictures,
            )
            if after != before:
                await self._rules.set_guild_limits(after)
                await self._audit.write(interaction, f"limits of requests: {after}")
                self._house.changed(guild_id)
        await reply_text(interaction, self._page.limits(after), self._languages)

    # ------------------------------------------------------------------ suggestions

    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return workflow names, for managers and bot admins only."""
        if not await self._may_look(interaction):
            return []
        names = Index([entry.name for entry in self._library.entries()]).best(typed)
        return suggestions([(name, name) for name in names], "")

    async def suggest_option(
        self, interaction: discord.Interaction, name: str, typed: str
    ) -> list[app_commands.Choice[str]]:
        """Return the options of a workflow whose default can be set."""
        workflow = self._library.get(name)
        if workflow is None or not await self._may_look(interaction):
            return []
        return suggestions([(each, each) for each in _settable(workflow)], typed)

    async def suggest_value(
        self, interaction: discord.Interaction, name: str, option: str, typed: str
    ) -> list[app_commands.Choice[str]]:
        workflow = self._library.get(name)
        chosen = workflow.manifest.options.get(option) if workflow else None
        if chosen is None or chosen.is_file or chosen.is_hidden or not await self._may_look(interaction):
            return []
        choices = [Choice(each, each) for each in self._autocompleter.values(chosen, typed)]
        return suggestions([(choice.label, str(choice.value)) for choice in choices], "")

    # ------------------------------------------------------------------ one workflow

    async def _manager(self, interaction: discord.Interaction) -> int:
        if interaction.guild_id is None or not await self._access.is_bot_admin(interaction):
            self._access.require_manager(interaction)
        if interaction.guild_id is None:
            raise InputError(_("Please use this in a Discord server."))
        return interaction.guild_id

    async def _may_look(self, interaction: discord.Interaction) -> bool:
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return self._access.manages(interaction) or await self._access.is_bot_admin(interaction)
        except Exception:  # autocomplete cannot show an error
            return False

    async def _rule(self, guild_id: int, workflow: str, place: int) -> WorkflowRule:
        rules = await self._rules.guild_rules(guild_id)
        for rule in rules.rules:
            if rule.workflow == workflow and rule.channel_id == place:
                return rule
        return WorkflowRule(guild_id, workflow, place)

    async def _keep(self, interaction: discord.Interaction, rule: WorkflowRule, what: str) -> None:
        await self._rules.set_workflow_rule(rule)
        place = f" in channel {rule.channel_id}" if rule.channel_id else ""
        await self._audit.write(interaction, f"workflow {rule.workflow}{place}: {what}")
        self._house.changed(rule.guild_id)
        self._on_change()

    def _entry(self, name: str) -> LibraryEntry:
        wanted = name.strip().removeprefix("/").casefold()
        entries = {entry.name.casefold(): entry for entry in self._library.entries()}
        if wanted in entries:
            return entries[wanted]
        raise _unknown(name, [entry.name for entry in entries.values()])

    def _workflow(self, name: str) -> Workflow:
        entry = self._entry(name)
        if entry.workflow is None:
            raise InputError(
                _("/{name} is broken and disabled: {reasons}", name=entry.name, reasons=joined(entry.problems, 3))
            )
        return entry.workflow

    def _option(self, workflow: Workflow, name: str) -> str:
        names = _settable(workflow)
        if name.strip() in names:
            return name.strip()
        raise _unknown(name, names)


def _settable(workflow: Workflow) -> list[str]:
    return [name for name, option in workflow.manifest.ordered_options() if not option.is_file]


def _kept(workflow: Workflow, name: str, value: str) -> Value:
    option = workflow.manifest.options[name]
    told = option.reported(option.parse(name, value))
    return told if isinstance(told, Value) else str(told)


def _where(channel: discord.abc.GuildChannel | None) -> Message:
    return _("in <#{id}>", id=channel.id) if channel else _("in this Discord server")


def _unknown(name: str, names: list[str]) -> InputError:
    guess = nearest(name, names)
    if guess is not None:
        return InputError(_("There's no “{name}”. Did you mean “{guess}”?", name=shown(name), guess=guess))
    return InputError(_("There's no “{name}”. Please pick one from the list.", name=shown(name)))
