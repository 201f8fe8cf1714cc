"""The rules for a workflow where it is used: those of its manifest and those of the guild.

Guild rules are cached for a short time and reread when another process announces a change.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import discord
from cachetools import LRUCache

from bot.clock import Clock
from bot.errors import DeniedError
from bot.i18n import Message, _
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.repository import DatabaseUnavailableError
from bot.policy.access import ChannelContext, folded, why_not
from bot.policy.guild_workflows import GuildWorkflowRules, WorkflowRulesRepository, narrowed
from bot.policy.limits import Limits
from bot.workflow.workflow import Workflow

MAX_AGE = 30.0
"""Seconds after which the cached rules of a guild are reread."""
MAX_GUILDS = 1000
NO_RULES = GuildWorkflowRules()


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """A workflow's settings in the guild and channel of a request, on top of its manifest."""

    defaults: Mapping[str, object] = field(default_factory=dict[str, object])
    """Option name → default value."""
    limits: Limits | None = None
    """None: those of the installation."""


class GuildRules:
    def __init__(self, *, rules: WorkflowRulesRepository, bus: NotificationBus, limits: Limits, clock: Clock) -> None:
        self._rules = rules
        self._bus = bus
        self._limits = limits
        self._clock = clock
        self._cache = LRUCache[int, tuple[float, GuildWorkflowRules]](MAX_GUILDS)
        """Guild id → time of reading, and its rules; outdated ones serve until they can be reread."""
        bus.subscribe(Topic.RULES, self._on_rules_changed)

    async def resolve(self, interaction: discord.Interaction, workflow: Workflow) -> PlaceSettings:
        """Return the guild's defaults and limits. Raises `DeniedError`, `DatabaseUnavailableError`."""
        denied = why_not(workflow.manifest.access, channel_context(interaction))
        if denied is not None:
            raise DeniedError(denied)
        guild_id = interaction.guild_id
        if guild_id is None:
            return PlaceSettings()
        rules = await self.of(guild_id)
        scopes = channel_scopes(interaction.channel)
        if not rules.is_enabled(workflow.name, scopes):
            raise DeniedError(_switched_off(rules, workflow.name))
        return PlaceSettings(rules.defaults(workflow.name, scopes), narrowed(self._limits, rules.limits))

    async def of(self, guild_id: int) -> GuildWorkflowRules:
        """Raises `DatabaseUnavailableError`."""
        read_at, rules = self._cache.get(guild_id, (float("-inf"), NO_RULES))
        if self._clock.monotonic() - read_at > MAX_AGE:
            read_at = self._clock.monotonic()
            rules = await self._rules.guild_rules(guild_id)
            self._cache[guild_id] = (read_at, rules)
        return rules

    async def load(self, guild_ids: Iterable[int]) -> None:
        """Cache the rules of guilds for `is_offered_in`; if the database is unavailable, the cached ones stay."""
        for guild_id in guild_ids:
            with suppress(DatabaseUnavailableError):
                await self.of(guild_id)

    def is_offered_in(self, guild_id: int, workflow: str) -> bool:
        """Whether a guild enables the workflow anywhere, as far as its rules are cached."""
        _read_at, rules = self._cache.get(guild_id, (0.0, NO_RULES))
        return rules.is_ever_enabled(workflow)

    def changed(self, guild_id: int) -> None:
        """Invalidate the rules of a guild, here and in all other processes."""
        self._cache.pop(guild_id, None)
        self._bus.send(Topic.RULES, str(guild_id))

    def _on_rules_changed(self, payload: str) -> None:
        if payload.isdecimal():
            self._cache.pop(int(payload), None)


def _switched_off(rules: GuildWorkflowRules, workflow: str) -> Message:
    channels = rules.enabled_channels(workflow)
    if channels:
        mentions = ", ".join(f"<#{channel}>" for channel in channels[:10])
        return _("Please use /{name} in {channels}.", name=workflow, channels=mentions)
    return _("/{name} is disabled here. Members with **Manage Server** can enable it.", name=workflow)


def channel_scopes(channel: object) -> Sequence[int]:
    """Return the ids of a channel, its parent channel and its category, innermost first."""
    found = (getattr(channel, name, None) for name in ("id", "parent_id", "category_id"))
    return [each for each in found if isinstance(each, int)]


def channel_context(interaction: discord.Interaction) -> ChannelContext:
    channel, user = interaction.channel, interaction.user
    roles = user.roles if isinstance(user, discord.Member) else ()
    role_ids = user._roles if isinstance(user, discord.Member) else ()  # pyright: ignore[reportPrivateUsage]
    around = (channel, getattr(channel, "parent", None), getattr(channel, "category", None))
    names = (getattr(each, "name", None) for each in around)
    is_nsfw = getattr(channel, "is_nsfw", None)
    return ChannelContext(
        is_private=interaction.guild_id is None,
        roles=frozenset({folded(role.name) for role in roles} | {str(each) for each in role_ids}),
        channels=frozenset(
            {folded(name) for name in names if isinstance(name, str)}
            | {str(scope) for scope in channel_scopes(channel)}
        ),
        is_age_restricted=bool(is_nsfw()) if callable(is_nsfw) else False,
    )
