"""A guild's settings for workflows: which are enabled, their defaults, and how large a request may be.

Pure. A rule for a channel overrides one for the whole guild.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.policy.limits import Limits

EVERYWHERE = 0
"""Channel id of a rule for the whole guild."""

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class WorkflowRule:
    """Settings of a guild, or of one of its channels, for one workflow."""

    guild_id: int
    workflow: str
    channel_id: int = EVERYWHERE
    is_enabled: bool | None = None
    """None: not set."""
    defaults: Mapping[str, Value] = field(default_factory=dict[str, Value])
    """Option name → the value used when a member leaves it out."""

    @property
    def is_empty(self) -> bool:
        """Whether it sets nothing."""
        return self.is_enabled is None and not self.defaults


@dataclass(frozen=True, slots=True)
class GuildLimits:
    """Size limits for one request in a guild. 0: not set."""

    guild_id: int
    max_side: int = 0
    """Pixels."""
    max_pixels: int = 0
    """Width × height of one image."""
    max_steps: int = 0
    max_count: int = 0
    """Images per request."""


@dataclass(frozen=True, slots=True)
class GuildWorkflowRules:
    """All workflow settings of one guild."""

    rules: tuple[WorkflowRule, ...] = ()
    limits: GuildLimits | None = None

    def is_enabled(self, workflow: str, channels: Sequence[int] = ()) -> bool:
        """Return whether a workflow is enabled. `channels`: a thread, its channel and its category, in that order."""
        for rule in self._about(workflow, channels):
            if rule.is_enabled is not None:
                return rule.is_enabled
        return True

    def is_ever_enabled(self, workflow: str) -> bool:
        """Return whether it is enabled anywhere in the guild."""
        return self.is_enabled(workflow) or any(
            rule.is_enabled for rule in self.rules if rule.workflow == workflow and rule.channel_id != EVERYWHERE
        )

    def enabled_channels(self, workflow: str) -> tuple[int, ...]:
        """Return the channels with a rule that enables it."""
        mine = (rule for rule in self.rules if rule.workflow == workflow and rule.is_enabled)
        return tuple(rule.channel_id for rule in mine if rule.channel_id != EVERYWHERE)

    def defaults(self, workflow: str, channels: Sequence[int] = ()) -> dict[str, Value]:
        """Return the values used for options that members leave out; `channels` as in `is_enabled`."""
        found: dict[str, Value] = {}
        for rule in reversed(list(self._about(workflow, channels))):
            found |= rule.defaults
        return found

    def _about(self, workflow: str, channels: Sequence[int]) -> Iterable[WorkflowRule]:
        mine = {rule.channel_id: rule for rule in self.rules if rule.workflow == workflow}
        return (mine[channel] for channel in (*channels, EVERYWHERE) if channel in mine)


def narrowed(limits: Limits, guild: GuildLimits | None) -> Limits:
    """Return the limits in a guild, which can only tighten the bot's own."""
    if guild is None:
        return limits
    changes = {
        name: min(getattr(limits, name), most)
        for name in ("max_side", "max_pixels", "max_steps", "max_count")
        if (most := getattr(guild, name)) > 0
    }
    return replace(limits, **changes)


class WorkflowRulesRepository(Protocol):
    """Stores guild settings. Any method may raise `DatabaseUnavailableError`."""

    async def guild_rules(self, guild_id: int) -> GuildWorkflowRules: ...

    async def set_workflow_rule(self, rule: WorkflowRule) -> None:
        """Replace a rule; an empty one deletes it."""
        ...

    async def set_guild_limits(self, new: GuildLimits) -> None:
        """Replace the limits of a guild."""
        ...
