"""`/moderate role` and `roles`: set and show the limits of a guild's roles."""

from collections.abc import Mapping
from dataclasses import replace

import discord

from bot.errors import InputError
from bot.i18n import Message, _, verbatim
from bot.policy.admission import Admission
from bot.policy.repository import PolicyRepository
from bot.policy.role_rules import SUBJECTS, RoleRule
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.locale import Languages
from bot.ui.pages.moderation import ModerationPage, role_name, rule_text
from bot.ui.replies import in_time, reply_text, reply_view

ANSWER_LIMIT = 2.0
"""Seconds for the work before an answer; Discord waits three."""
EVERYTHING = "everything"
"""Choice value that resets all limits of a role."""


class RoleRules:
    def __init__(
        self,
        *,
        policies: PolicyRepository,
        admission: Admission,
        audit: AuditLog,
        access: AccessChecks,
        languages: Languages,
    ) -> None:
        self._policies = policies
        self._admission = admission
        self._audit = audit
        self._access = access
        self._languages = languages
        self._page = ModerationPage(languages)

    async def change(
        self, interaction: discord.Interaction, role_id: int, given: Mapping[str, object], forget: str | None
    ) -> None:
        """Set the limits in `given`, named as in `RoleRule`; `forget` names one to reset, or `EVERYTHING`."""
        self._access.require_manager(interaction)
        if interaction.guild_id is None or not (given or forget):
            raise InputError(_("Nothing to change: please set at least one option besides **role**."))
        async with in_time(ANSWER_LIMIT):
            former = await self._former(interaction.guild_id, role_id)
            rule = _changed(former, given, forget)
            await self._policies.set_rule(rule)
            self._admission.forget(rule.guild_id)
            await self._audit.write(interaction, f"role {role_id}: {rule_text(rule)}, before {rule_text(former)}")
        await reply_text(interaction, _told(rule), self._languages)

    async def show(self, interaction: discord.Interaction) -> None:
        self._access.require_moderator(interaction)
        guild_id = interaction.guild_id or 0
        async with in_time(ANSWER_LIMIT):
            rules = await self._policies.rules(guild_id)
        await reply_view(interaction, self._page.rules(rules, guild_id, interaction.locale.value))

    async def _former(self, guild_id: int, role_id: int) -> RoleRule:
        rules = await self._policies.rules(guild_id)
        return next((rule for rule in rules if rule.role_id == role_id), RoleRule(guild_id, role_id))


def _changed(rule: RoleRule, given: Mapping[str, object], forget: str | None) -> RoleRule:
    forgotten = SUBJECTS if forget == EVERYTHING else (forget,) if forget else ()
    kept = {name: None for name in forgotten if name in SUBJECTS}
    return replace(rule, **{**kept, **given})  # pyright: ignore[reportArgumentType]  # by the names of its fields


def _told(rule: RoleRule) -> Message:
    who = verbatim(role_name(rule, rule.guild_id))
    if rule.says_nothing:
        return _("Limits for {who} removed. Applies to new requests.", who=who)
    return _("{who}: {what}. Applies to new requests.", who=who, what=rule_text(rule))
