"""The pages of `/moderate paused` and `/moderate roles`: active pauses and role limits.

Pure: records in, texts and a Discord view out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import discord

from bot.i18n import Message, _, n_, verbatim
from bot.policy.pauses import ANYWHERE, EVERYTHING, Pause, PauseScope
from bot.policy.role_rules import RoleRule
from bot.policy.terms import guild_key
from bot.policy.time_text import minutes, span
from bot.ui.locale import Languages
from bot.ui.page import Tone
from bot.ui.replies import text_page
from bot.workflow.text_format import joined

PAUSED = "⏸️"


def scope_name(scope: str, guild_id: int | None) -> Message:
    """Describe a pause scope to a reader in a guild. Members are shown as mentions; the answers never ping."""
    parsed = PauseScope.parse(scope)
    match parsed.kind:
        case kind if kind == EVERYTHING:
            return _("everything")
        case "guild":
            return _guild_name(parsed, guild_id)
        case "workflow":
            return _("`/{name}` in {place}", name=parsed.name, place=_guild_name(parsed, guild_id))
        case "member" if parsed.is_within(guild_id):
            return _("{member}'s requests", member=f"<@{parsed.name}>")
        case "member":
            return _("{member}'s requests in {place}", member=f"<@{parsed.name}>", place=_guild_name(parsed, guild_id))
        case _:
            return verbatim(scope)


def _guild_name(parsed: PauseScope, guild_id: int | None) -> Message:
    if parsed.guild == ANYWHERE:
        return _("all Discord servers")
    if parsed.guild == guild_key(None):
        return _("direct messages")
    if parsed.is_within(guild_id):
        return _("this Discord server")
    return _("another Discord server ({id})", id=parsed.guild)


@dataclass(frozen=True, slots=True)
class ModerationPage:
    languages: Languages

    def pauses(self, pauses: Sequence[Pause], guild_id: int | None, locale: str) -> discord.ui.LayoutView:
        texts = [self.pause(pause, guild_id, locale) for pause in pauses]
        nothing = self._said(_("Nothing is paused."), locale)
        tone = Tone.WAITING if texts else Tone.DONE
        return text_page(self._said(_("Paused"), locale), texts or [nothing], tone=tone)

    def pause(self, pause: Pause, guild_id: int | None, locale: str) -> str:
        """Return the scope, author, end and reason of a pause."""
        facts = [
            f"{PAUSED} **{self._said(scope_name(pause.scope, guild_id), locale)}**",
            self._said(_("by {who}, {when}", who=f"<@{pause.by}>", when=f"<t:{int(pause.at)}:R>"), locale),
        ]
        if pause.until is not None:
            facts.append(self._said(_("ends {when}", when=f"<t:{int(pause.until)}:R>"), locale))
        reason = f"\n> {self._said(verbatim(pause.reason), locale)}" if pause.reason else ""
        return " · ".join(facts) + reason

    def rules(self, rules: Sequence[RoleRule], guild_id: int, locale: str) -> discord.ui.LayoutView:
        texts = [
            f"**{role_name(rule, guild_id)}**\n{self._said(rule_text(rule), locale)}"
            for rule in _in_order(rules, guild_id)
        ]
        nothing = _("No role limits set – all members have equal access. Set some with `/moderate role`.")
        return text_page(self._said(_("Role limits"), locale), texts or [self._said(nothing, locale)])

    def _said(self, message: Message, locale: str) -> str:
        return self.languages.render(message, locale)


def role_name(rule: RoleRule, guild_id: int) -> str:
    """Return a role as a mention; the answers never ping."""
    return "@everyone" if rule.role_id == guild_id else f"<@&{rule.role_id}>"


def rule_text(rule: RoleRule) -> Message:
    limits = list(_limits(rule))
    return joined(limits) if limits else _("default")


def _in_order(rules: Sequence[RoleRule], guild_id: int) -> list[RoleRule]:
    return sorted(rules, key=lambda rule: (rule.role_id != guild_id, rule.role_id))


def _limits(rule: RoleRule) -> Iterator[Message]:
    if rule.weight is not None:
        yield _("priority ×{weight}", weight=f"{rule.weight:g}")
    if rule.lane is not None:
        yield _("always served first") if rule.lane else _("not served first")
    if rule.running is not None:
        yield n_("up to {count} running", "up to {count} running", rule.running)
    if rule.waiting is not None:
        yield n_("up to {count} queued", "up to {count} queued", rule.waiting)
    if rule.day_seconds is not None:
        yield _("{minutes} GPU minutes/day", minutes=minutes(rule.day_seconds))
    if rule.week_seconds is not None:
        yield _("{minutes} GPU minutes/week", minutes=minutes(rule.week_seconds))
    if rule.day_pictures is not None:
        yield n_("{count} image/day", "{count} images/day", rule.day_pictures)
    if rule.week_pictures is not None:
        yield n_("{count} image/week", "{count} images/week", rule.week_pictures)
    if rule.cooldown is not None:
        yield _("cooldown: {time}", time=span(rule.cooldown)) if rule.cooldown else _("no cooldown")
