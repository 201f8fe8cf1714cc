"""`/workflow`: lists and adds workflows; enables them and sets defaults and limits per guild.

Guild managers decide for their guild; `reload` and `add` need a bot admin (`bot.ui.access_checks`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import InputError
from bot.i18n import Message, _
from bot.policy.guild_workflows import EVERYWHERE, GuildLimits, WorkflowRule, WorkflowRulesRepository
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.guild_rules import GuildRules
from bot.ui.locale import Languages
from bot.ui.pages.workflows import MEGAPIXEL, WorkflowPage
from bot.ui.replies import ANSWER_TIMEOUT, in_time, reply_text, reply_view, suggestions
from bot.workflow.library.library import Library
from bot.workflow.ranking import Index
from bot.workflow.text_format import shown
from bot.workflow.workflow import Workflow
from cogs.workflow._add import AddWorkflow
from cogs.workflow._lookup import find_entry, find_option, find_workflow, parse_default, settable_options

Name = app_commands.Range[str, 1, 100]
Value = app_commands.Range[str, 1, 2000]
Channel = discord.TextChannel | discord.CategoryChannel | discord.ForumChannel | discord.VoiceChannel


class WorkflowCommand(commands.Cog):
    """By default Discord shows these commands to managers only; permissions are checked again at each use.

    `reason_off` says why a valid workflow is unavailable at the moment.
    """

    workflow = app_commands.Group(
        name="workflow",
        description="Manage workflows",
        guild_only=True,
        default_permissions=discord.Permissions(manage_guild=True),
    )

    def __init__(
        self,
        *,
        library: Library,
        repository: WorkflowRulesRepository,
        guild_rules: GuildRules,
        reason_off: Callable[[Workflow], Message | None],
        on_change: Callable[[], None],
        autocompleter: Autocompleter,
        adding: AddWorkflow,
        audit: AuditLog,
        access: AccessChecks,
        languages: Languages,
    ) -> None:
        self._library = library
        self._repository = repository
        self._guild_rules = guild_rules
        self._reason_off = reason_off
        self._on_change = on_change
        self._autocompleter = autocompleter
        self._adding = adding
        self._audit = audit
        self._access = access
        self._languages = languages
        self._page = WorkflowPage(languages)

    # ------------------------------------------------------------------ the folder

    @workflow.command(name="list", description="List workflows and why some are off")
    @app_commands.describe(workflow="Show details of one workflow")
    async def list_workflows(self, interaction: discord.Interaction, workflow: Name | None = None) -> None:
        guild_id = await self._require_manager(interaction)
        async with in_time(ANSWER_TIMEOUT):
            rules = await self._guild_rules.of(guild_id)
        locale = interaction.locale.value
        if workflow is None:
            view = self._page.overview(self._library.entries(), self._reason_off, rules, locale)
        else:
            entry = find_entry(self._library, workflow)
            off = self._reason_off(entry.workflow) if entry.workflow else None
            view = self._page.details(entry, off, rules, locale)
        await reply_view(interaction, view)

    @workflow.command(name="reload", description="Reload the workflow folder (bot owner only)")
    async def reload(self, interaction: discord.Interaction) -> None:
        await self._access.require_bot_admin(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        changes = await self._library.reload()
        self._on_change()
        await reply_text(interaction, self._page.changes(changes, self._library.problems), self._languages)

    @workflow.command(name="add", description="Turn a ComfyUI workflow (JSON or image) into a command (bot owner only)")
    @app_commands.describe(file="Workflow saved or exported by ComfyUI, or an image it made", name="Command name")
    async def add(
        self,
        interaction: discord.Interaction,
        file: discord.Attachment,
        name: app_commands.Range[str, 1, 32] | None = None,
    ) -> None:
        await self._adding.preview(interaction, file, name)

    # ------------------------------------------------------------------ guild rules

    @workflow.command(name="enable", description="Enable a workflow here or in one channel")
    @app_commands.describe(workflow="Workflow", channel="Channel or category (default: whole Discord server)")
    async def enable(self, interaction: discord.Interaction, workflow: Name, channel: Channel | None = None) -> None:
        # Enabled is the default of a guild; a channel's rule overrides the guild's
        name, where = await self._set_enabled(interaction, workflow, channel, True if channel else None)
        await self._reply(interaction, _("/{name} is now enabled {where}.", name=name, where=where))

    @workflow.command(name="disable", description="Disable a workflow here or in one channel")
    @app_commands.describe(workflow="Workflow", channel="Channel or category (default: whole Discord server)")
    async def disable(self, interaction: discord.Interaction, workflow: Name, channel: Channel | None = None) -> None:
        name, where = await self._set_enabled(interaction, workflow, channel, False)
        await self._reply(
            interaction,
            _(
                "/{name} is now disabled {where}. Requests already in the queue will still finish.",
                name=name,
                where=where,
            ),
        )

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
        guild_id = await self._require_manager(interaction)
        flow = find_workflow(self._library, workflow)
        name = find_option(flow, option)
        default = None if value is None else parse_default(flow, name, value)
        async with in_time(ANSWER_TIMEOUT):
            rule = await self._rule(guild_id, flow.name, channel)
            defaults = {key: each for key, each in rule.defaults.items() if key != name}
            if default is not None:
                defaults[name] = default
            await self._save(interaction, replace(rule, defaults=defaults), f"default of {name}: {default}")
        facts = {"option": name, "name": flow.name, "where": _where(channel)}
        await self._reply(
            interaction,
            _("Default for `{option}` in /{name} reset {where}.", **facts)
            if default is None
            else _("Default for `{option}` in /{name} is now {value} {where}.", value=shown(default), **facts),
        )

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
        guild_id = await self._require_manager(interaction)
        given = {
            "max_side": largest_side,
            "max_pixels": None if megapixels is None else round(megapixels * MEGAPIXEL),
            "max_steps": most_steps,
            "max_count": most_pictures,
        }
        async with in_time(ANSWER_TIMEOUT):
            before = (await self._guild_rules.of(guild_id)).limits or GuildLimits(guild_id)
            after = replace(before, **{name: value for name, value in given.items() if value is not None})
            if after != before:
                await self._repository.set_guild_limits(after)
                await self._audit.write(interaction, f"limits of requests: {after}")
                self._guild_rules.changed(guild_id)
        await self._reply(interaction, self._page.limits(after))

    async def _set_enabled(
        self, interaction: discord.Interaction, workflow: str, channel: Channel | None, is_enabled: bool | None
    ) -> tuple[str, Message]:
        """Return the workflow's name, and where the rule applies."""
        guild_id = await self._require_manager(interaction)
        name = find_workflow(self._library, workflow).name
        async with in_time(ANSWER_TIMEOUT):
            rule = replace(await self._rule(guild_id, name, channel), is_enabled=is_enabled)
            await self._save(interaction, rule, "disabled" if is_enabled is False else "enabled")
        return name, _where(channel)

    async def _rule(self, guild_id: int, workflow: str, channel: Channel | None) -> WorkflowRule:
        channel_id = channel.id if channel else EVERYWHERE
        for rule in (await self._repository.guild_rules(guild_id)).rules:
            if rule.workflow == workflow and rule.channel_id == channel_id:
                return rule
        return WorkflowRule(guild_id, workflow, channel_id)

    async def _save(self, interaction: discord.Interaction, rule: WorkflowRule, what: str) -> None:
        await self._repository.set_workflow_rule(rule)
        channel = f" in channel {rule.channel_id}" if rule.channel_id else ""
        await self._audit.write(interaction, f"workflow {rule.workflow}{channel}: {what}")
        self._guild_rules.changed(rule.guild_id)
        self._on_change()

    # ------------------------------------------------------------------ suggestions

    @list_workflows.autocomplete("workflow")
    @enable.autocomplete("workflow")
    @disable.autocomplete("workflow")
    @default.autocomplete("workflow")
    async def suggest_workflow(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if not await self._is_manager(interaction):
            return []
        names = Index([entry.name for entry in self._library.entries()]).best(typed)
        return suggestions([(name, name) for name in names], "")

    @default.autocomplete("option")
    async def suggest_option(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        workflow = self._library.get(str(interaction.namespace.workflow or ""))
        if workflow is None or not await self._is_manager(interaction):
            return []
        return suggestions([(name, name) for name in settable_options(workflow)], typed)

    @default.autocomplete("value")
    async def suggest_value(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        workflow = self._library.get(str(interaction.namespace.workflow or ""))
        option = workflow.manifest.options.get(str(interaction.namespace.option or "")) if workflow else None
        if option is None or option.is_file or option.is_hidden or not await self._is_manager(interaction):
            return []
        return suggestions([(value, value) for value in self._autocompleter.values(option, typed)], "")

    # ------------------------------------------------------------------ access and answers

    async def _require_manager(self, interaction: discord.Interaction) -> int:
        """Return the guild. Raises `DeniedError`."""
        if interaction.guild_id is None or not await self._access.is_bot_admin(interaction):
            self._access.require_manager(interaction)
        if interaction.guild_id is None:
            raise InputError(_("Please use this in a Discord server."))
        return interaction.guild_id

    async def _is_manager(self, interaction: discord.Interaction) -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return self._access.manages(interaction) or await self._access.is_bot_admin(interaction)
        except Exception:  # autocomplete cannot show an error
            return False

    async def _reply(self, interaction: discord.Interaction, message: Message) -> None:
        await reply_text(interaction, message, self._languages)


def _where(channel: Channel | None) -> Message:
    return _("in <#{id}>", id=channel.id) if channel else _("in this Discord server")
