"""What holds for a workflow where it is asked for: its author's word, and what the guild decides.

Rules of a guild are remembered for a few seconds, since another process may have changed them, and read anew after a
hint.
"""

from collections import OrderedDict
from collections.abc import Sequence

import discord

from bot.clock import Clock
from bot.errors import DeniedError
from bot.i18n import Message, _
from bot.jobs.hints import Hints, Topic
from bot.policy.access import Whereabouts, folded, why_not
from bot.policy.limits import Limits
from bot.policy.workflows import HouseRules, WorkflowRules, narrowed
from bot.ui.ordering import Settled
from bot.workflow.workflow import Workflow

KEPT = 30.0
"""Seconds for which the rules of a guild are not read again without a hint."""
GUILDS_KEPT = 1000
NOTHING = HouseRules()


class GuildHouse:
    """Decides by manifest and guild. See `bot.ui.ordering.House`."""

    def __init__(self, *, rules: WorkflowRules, hints: Hints, limits: Limits, clock: Clock) -> None:
        self._rules = rules
        self._hints = hints
        self._limits = limits
        self._clock = clock
        self._known: OrderedDict[int, tuple[float, HouseRules]] = OrderedDict()
        hints.listen(Topic.RULES, self._hear)

    async def settle(self, interaction: discord.Interaction, workflow: Workflow) -> Settled:
        """See `House.settle`. May raise `StoreDownError`."""
        denied = why_not(workflow.manifest.access, whereabouts(interaction))
        if denied is not None:
            raise DeniedError(denied)
        guild_id = interaction.guild_id
        if guild_id is None:
            return Settled()
        rules = await self.of(guild_id)
        places = places_of(interaction.channel)
        if not rules.is_enabled(workflow.name, places):
            raise DeniedError(_switched_off(rules, workflow.name))
        return Settled(rules.defaults(workflow.name, places), narrowed(self._limits, rules.limits))

    async def of(self, guild_id: int) -> HouseRules:
        """Return the rules of a guild. May raise `StoreDownError`."""
        read_at, rules = self._known.get(guild_id, (float("-inf"), NOTHING))
        if self._clock.monotonic() - read_at > KEPT:
            read_at = self._clock.monotonic()
            rules = await self._rules.house_rules(guild_id)
            self._known[guild_id] = (read_at, rules)
            self._known.move_to_end(guild_id)
            while len(self._known) > GUILDS_KEPT:
                self._known.popitem(last=False)
        return rules

    def is_offered_in(self, guild_id: int, workflow: str) -> bool:
        """Whether a guild has any use for the command of a workflow, as far as its rules are known here."""
        _read_at, rules = self._known.get(guild_id, (0.0, NOTHING))
        return rules.is_ever_enabled(workflow)

    def changed(self, guild_id: int) -> None:
        """Read the rules of a guild again, here and in all other processes."""
        self._known.pop(guild_id, None)
        self._hints.send(Topic.RULES, str(guild_id))

    def _hear(self, payload: str) -> None:
        if payload.isdecimal():
            self._known.pop(int(payload), None)


def _switched_off(rules: HouseRules, workflow: str) -> Message:
    channels = rules.enabled_channels(workflow)
    if channels:
        mentions = ", ".join(f"<#{channel}>" for channel in channels[:10])
        return _("/{name} works in other channels here: {channels}.", name=workflow, channels=mentions)
    return _("/{name} is switched off here. Those who manage this Discord server can switch it on.", name=workflow)


def places_of(channel: object) -> Sequence[int]:
    """Return the ids of a channel, of the one that it is a thread of, and of their category, innermost first."""
    found = (getattr(channel, name, None) for name in ("id", "parent_id", "category_id"))
    return [each for each in found if isinstance(each, int)]


def whereabouts(interaction: discord.Interaction) -> Whereabouts:
    """Return who asks where, as far as Discord tells."""
    channel, user = interaction.channel, interaction.user
    roles = user.roles if isinstance(user, discord.Member) else ()
    role_ids = user._roles if isinstance(user, discord.Member) else ()  # pyright: ignore[reportPrivateUsage]
    around = (channel, getattr(channel, "parent", None), getattr(channel, "category", None))
    names = (getattr(each, "name", None) for each in around)
    is_nsfw = getattr(channel, "is_nsfw", None)
    return Whereabouts(
        is_private=interaction.guild_id is None,
        roles=frozenset({folded(role.name) for role in roles} | {str(each) for each in role_ids}),
        channels=frozenset(
            {folded(name) for name in names if isinstance(name, str)} | {str(place) for place in places_of(channel)}
        ),
        is_age_restricted=bool(is_nsfw()) if callable(is_nsfw) else False,
    )
