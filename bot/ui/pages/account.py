"""The page of `/me` and `/moderate member`: usage and limits, active jobs, and pauses.

Pure: values in, a Discord view out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import discord
from discord.utils import escape_markdown

from bot.i18n import Message, _, n_
from bot.jobs.job import Job
from bot.jobs.status import QueuePosition
from bot.policy import time_text
from bot.policy.pauses import Pause
from bot.policy.quotas import Quota, Usage, quotas
from bot.policy.role_rules import Allowance
from bot.ui.locale import Languages, cut
from bot.ui.messages.render import span
from bot.ui.pages.moderation import ModerationPage
from bot.ui.pages.queue import HELD
from bot.ui.replies import text_page

MAX_SHOWN = 10
"""At most this many running jobs, waiting jobs and pauses are shown."""
MAX_TITLE = 60
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """A snapshot of one member's usage, limits and jobs at `now`."""

    guild_id: int | None
    allowance: Allowance
    usage: Usage
    running: Sequence[Job]
    waiting: Sequence[QueuePosition]
    pauses: Sequence[Pause]
    """Those that affect the member."""
    now: float


@dataclass(frozen=True, slots=True)
class AccountPage:
    languages: Languages

    def view(self, account: AccountSummary, heading: Message, locale: str) -> discord.ui.LayoutView:
        parts = [
            self._lines(_usage(account), locale),
            self._lines(_role_limits(account), locale),
            self._jobs(account, locale),
        ]
        parts += [
            ModerationPage(self.languages).pause(pause, account.guild_id, locale)
            for pause in account.pauses[:MAX_SHOWN]
        ]
        return text_page(self._said(heading, locale), [part for part in parts if part])

    def _lines(self, messages: Iterator[Message], locale: str) -> str:
        return "\n".join(self._said(message, locale) for message in messages)

    def _jobs(self, account: AccountSummary, locale: str) -> str:
        lines = [f"⚙️ {_title(job)}" for job in account.running[:MAX_SHOWN]]
        lines += [self._waiting(position, locale) for position in account.waiting[:MAX_SHOWN]]
        more = len(account.running) + len(account.waiting) - len(lines)
        if not lines:
            return self._said(_("No active requests."), locale)
        if more > 0:
            lines.append(self._said(n_("and 1 more", "and {count} more", more), locale))
        return "\n".join(lines)

    def _waiting(self, position: QueuePosition, locale: str) -> str:
        parts = [_title(position.job)]
        if position.reason is not None:
            parts.append(f"{HELD} {cut(self._said(position.reason, locale), MAX_REASON)}")
        elif position.starts_in is not None:
            parts.append(self._said(_("starts in about {time}", time=span(position.starts_in)), locale))
        return f"{position.position}\\. {' · '.join(parts)}"

    def _said(self, message: Message, locale: str) -> str:
        return self.languages.render(message, locale)


def _title(job: Job) -> str:
    return escape_markdown(cut(job.spec.title, MAX_TITLE))


def _usage(account: AccountSummary) -> Iterator[Message]:
    used = quotas(account.allowance, account.usage)
    yield _(
        "Last 24 hours: {time}, {pictures}", time=_gpu_time(used.day_seconds), pictures=_pictures(used.day_pictures)
    )
    yield _(
        "Last 7 days: {time}, {pictures}", time=_gpu_time(used.week_seconds), pictures=_pictures(used.week_pictures)
    )
    if account.usage.pending:
        yield n_(
            "1 active request (about {minutes} GPU minutes)",
            "{count} active requests (about {minutes} GPU minutes)",
            account.usage.pending,
            minutes=time_text.minutes(account.usage.pending_seconds),
        )


def _gpu_time(quota: Quota) -> Message:
    if quota.limit is None:
        return _("{used} GPU minutes", used=time_text.minutes(quota.used))
    return _(
        "{used} of {limit} GPU minutes ({left} left)",
        used=time_text.minutes(quota.used),
        limit=time_text.minutes(quota.limit),
        left=_whole_minutes(quota.left or 0.0),
    )


def _whole_minutes(seconds: float) -> str:
    """Return minutes, rounded down so that the page never promises too much."""
    return f"{int(seconds / 6) / 10:.1f}".removesuffix(".0")


def _pictures(quota: Quota) -> Message:
    if quota.limit is None:
        return n_("{count} image", "{count} images", int(quota.used))
    return _(
        "{used} of {limit} images ({left} left)",
        used=int(quota.used),
        limit=int(quota.limit),
        left=int(quota.left or 0),
    )


def _role_limits(account: AccountSummary) -> Iterator[Message]:
    allowance = account.allowance
    yield _("Priority when the GPUs are busy: ×{weight}", weight=f"{allowance.weight:g}")
    if allowance.lane:
        yield _("Always served first")
    if allowance.running is not None:
        yield n_("1 request runs at a time", "Up to {count} requests run at a time", allowance.running)
    if allowance.waiting is not None:
        yield n_("Up to 1 request in the queue", "Up to {count} requests in the queue", allowance.waiting)
    if allowance.cooldown:
        yield _cooldown(allowance.cooldown, account)


def _cooldown(cooldown: float, account: AccountSummary) -> Message:
    left = min(account.usage.last_asked + cooldown - account.now, cooldown)
    if not account.usage.last_asked or left <= 0:
        return _("Cooldown: {time}", time=time_text.span(cooldown))
    return _("Cooldown: {time} (ready in {left})", time=time_text.span(cooldown), left=time_text.span(left))
