"""What a guild decides about workflows: which it has, with which defaults, and how large a request may be.

Pure; what is decided for a channel counts more than what is decided for the whole guild.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.policy.limits import Limits

EVERYWHERE = 0
"""As the channel of a rule: the whole guild."""

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class WorkflowRule:
    """What a guild, or one of its channels, decides about one workflow."""

    guild_id: int
    workflow: str
    channel_id: int = EVERYWHERE
    is_enabled: bool | None = None
    """None: nothing was decided."""
    defaults: Mapping[str, Value] = field(default_factory=dict[str, Value])
    """Option name → the value that is used when a member says nothing."""

    @property
    def says_nothing(self) -> bool:
        """Whether it decides nothing."""
        return self.is_enabled is None and not self.defaults


@dataclass(frozen=True, slots=True)
class GuildLimits:
    """The most that one request may ask for in a guild. 0: nothing was decided."""

    guild_id: int
    max_side: int = 0
    """Pixels."""
    max_pixels: int = 0
    """Of one picture: width × height."""
    max_steps: int = 0
    max_count: int = 0
    """Pictures at once."""


@dataclass(frozen=True, slots=True)
class HouseRules:
    """All that one guild decides."""

    rules: tuple[WorkflowRule, ...] = ()
    limits: GuildLimits | None = None

    def is_enabled(self, workflow: str, channels: Sequence[int] = ()) -> bool:
        """Return whether a workflow may be used.

        `channels` are a thread, its channel and its category, innermost first.
        """
        for rule in self._about(workflow, channels):
            if rule.is_enabled is not None:
                return rule.is_enabled
        return True

    def is_ever_enabled(self, workflow: str) -> bool:
        """Return whether there is a place in the guild where it may be used."""
        return self.is_enabled(workflow) or any(
            rule.is_enabled for rule in self.rules if rule.workflow == workflow and rule.channel_id != EVERYWHERE
        )

    def enabled_channels(self, workflow: str) -> tuple[int, ...]:
        """Return the channels where it was switched on by name."""
        mine = (rule for rule in self.rules if rule.workflow == workflow and rule.is_enabled)
        return tuple(rule.channel_id for rule in mine if rule.channel_id != EVERYWHERE)

    def defaults(self, workflow: str, channels: Sequence[int] = ()) -> dict[str, Value]:
        """Return the values for what members leave alone."""
        found: dict[str, Value] = {}
        for rule in reversed(list(self._about(workflow, channels))):
            found |= rule.defaults
        return found

    def _about(self, workflow: str, channels: Sequence[int]) -> Iterable[WorkflowRule]:
        mine = {rule.channel_id: rule for rule in self.rules if rule.workflow == workflow}
        return (mine[channel] for channel in (*channels, EVERYWHERE) if channel in mine)


def narrowed(limits: Limits, guild: GuildLimits | None) -> Limits:
    """Return the limits that hold in a guild: never wider than those of the installation."""
    if guild is None:
        return limits
    changes = {
        name: min(getattr(limits, name), most)
        for name in ("max_side", "max_pixels", "max_steps", "max_count")
        if (most := getattr(guild, name)) > 0
    }
    return replace(limits, **changes)


class WorkflowRules(Protocol):
    """Keeps what guilds decide. Any method may raise `StoreDownError`."""

    async def house_rules(self, guild_id: int) -> HouseRules:
        """Return what a guild has decided."""
        ...

    async def set_workflow_rule(self, rule: WorkflowRule) -> None:
        """Keep a rule in place of the former one; one that says nothing takes it away."""
        ...

    async def set_guild_limits(self, new: GuildLimits) -> None:
        """Keep the limits of a guild in place of the former ones."""
        ...
