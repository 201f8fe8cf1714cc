"""The page of `/me` and `/moderate member`: usage and limits, active jobs, and pauses.

Pure: values in, a Discord view out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import discord
from discord.utils import escape_markdown

from bot.i18n import Message, _, n_
from bot.jobs.job import Job
from bot.jobs.status import QueuePosition as Place
from bot.policy.pauses import Pause
from bot.policy.quotas import Quota, Usage, quotas
from bot.policy.role_rules import Allowance
from bot.policy.time_text import minutes
from bot.policy.time_text import span as exactly
from bot.ui.locale import Languages, cut
from bot.ui.messages.render import span
from bot.ui.pages.moderation import ModerationPage
from bot.ui.pages.queue import HELD
from bot.ui.replies import text_page

SHOWN = 10
"""At most this many running jobs, waiting jobs and pauses are shown."""
MAX_TITLE = 60
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """A snapshot of one member's usage, limits and jobs at `now`."""

    guild_id: int | None
    allowance: Allowance
    standing: Usage
    running: Sequence[Job]
    waiting: Sequence[Place]
    pauses: Sequence[Pause]
    """Those that affect the member."""
    now: float


@dataclass(frozen=True, slots=True)
class AccountPage:
    languages: Languages

    def view(self, account: AccountSummary, heading: Message, locale: str) -> discord.ui.LayoutView:
        parts = [
            self._lines(_use(account), locale),
            self._lines(_queue_terms(account), locale),
            self._jobs(account, locale),
        ]
        parts += [
            ModerationPage(self.languages).pause(pause, account.guild_id, locale) for pause in account.pauses[:SHOWN]
        ]
        return text_page(self._said(heading, locale), [part for part in parts if part])

    def _lines(self, messages: Iterator[Message], locale: str) -> str:
        return "\n".join(self._said(message, locale) for message in messages)

    def _jobs(self, account: AccountSummary, locale: str) -> str:
        lines = [f"⚙️ {_title(job)}" for job in account.running[:SHOWN]]
        lines += [self._waiting(place, locale) for place in account.waiting[:SHOWN]]
        more = len(account.running) + len(account.waiting) - len(lines)
        if not lines:
            return self._said(_("No active requests."), locale)
        if more > 0:
            lines.append(self._said(n_("and 1 more", "and {count} more", more), locale))
        return "\n".join(lines)

    def _waiting(self, place: Place, locale: str) -> str:
        parts = [_title(place.job)]
        if place.reason is not None:
            parts.append(f"{HELD} {cut(self._said(place.reason, locale), MAX_REASON)}")
        elif place.starts_in is not None:
            parts.append(self._said(_("starts in about {time}", time=span(place.starts_in)), locale))
        return f"{place.position}\\. {' · '.join(parts)}"

    def _said(self, message: Message, locale: str) -> str:
        return self.languages.render(message, locale)


def _title(job: Job) -> str:
    return escape_markdown(cut(job.spec.title, MAX_TITLE))


def _use(account: AccountSummary) -> Iterator[Message]:
    held = quotas(account.allowance, account.standing)
    yield _(
        "Last 24 hours: {time}, {pictures}", time=_gpu_time(held.day_seconds), pictures=_pictures(held.day_pictures)
    )
    yield _(
        "Last 7 days: {time}, {pictures}", time=_gpu_time(held.week_seconds), pictures=_pictures(held.week_pictures)
    )
    if account.standing.pending:
        yield n_(
            "1 active request (about {minutes} GPU minutes)",
            "{count} active requests (about {minutes} GPU minutes)",
            account.standing.pending,
            minutes=minutes(account.standing.pending_seconds),
        )


def _gpu_time(quota: Quota) -> Message:
    if quota.limit is None:
        return _("{used} GPU minutes", used=minutes(quota.used))
    return _(
        "{used} of {limit} GPU minutes ({left} left)",
        used=minutes(quota.used),
        limit=minutes(quota.limit),
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


def _queue_terms(account: AccountSummary) -> Iterator[Message]:
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
    left = min(account.standing.last_asked + cooldown - account.now, cooldown)
    if not account.standing.last_asked or left <= 0:
        return _("Cooldown: {time}", time=exactly(cooldown))
    return _("Cooldown: {time} (ready in {left})", time=exactly(cooldown), left=exactly(left))
