"""Changes to the limits of a role, as `/moderate role` asks for them."""

from collections.abc import Mapping
from dataclasses import replace

from bot.i18n import Message, _, verbatim
from bot.policy.role_rules import LIMIT_NAMES, RoleRule
from bot.ui.pages.moderation import role_name, rule_text

ALL_LIMITS = "everything"
RESETTABLE = {
    ALL_LIMITS: "all limits of the role",
    "weight": "weight",
    "running": "running",
    "waiting": "waiting",
    "day_seconds": "gpu_minutes_day",
    "week_seconds": "gpu_minutes_week",
    "day_pictures": "pictures_day",
    "week_pictures": "pictures_week",
    "cooldown": "cooldown",
    "lane": "first",
}
"""The limits of a role that can be reset, with the names of their options."""


def changed_rule(rule: RoleRule, given: Mapping[str, object], reset: str | None) -> RoleRule:
    """Return the rule with the limits in `given`, named as in `RoleRule`, and without the one named `reset`."""
    names = LIMIT_NAMES if reset == ALL_LIMITS else (reset,) if reset in LIMIT_NAMES else ()
    return replace(rule, **{**dict.fromkeys(names), **given})  # pyright: ignore[reportArgumentType]  # its field names


def rule_confirmation(rule: RoleRule) -> Message:
    who = verbatim(role_name(rule, rule.guild_id))
    if rule.is_empty:
        return _("Limits for {who} removed. Applies to new requests.", who=who)
    return _("{who}: {what}. Applies to new requests.", who=who, what=rule_text(rule))
