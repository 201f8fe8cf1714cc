"""Quotas: how much a member has used, what is left, and whether one more request fits. Pure.

A day is the last 24 hours and a week the last 7 days: sliding windows avoid a rush at a fixed reset time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.i18n import Message, _, n_
from bot.policy.decision import Allowed, Decision, Refused
from bot.policy.role_rules import Allowance
from bot.policy.time_text import DAY, WEEK, minutes, span


@dataclass(frozen=True, slots=True)
class Usage:
    """A member's past and pending usage in a guild."""

    day_seconds: float = 0.0
    """GPU-seconds of counted runs within the last day."""
    week_seconds: float = 0.0
    day_pictures: int = 0
    week_pictures: int = 0
    oldest_day: float = 0.0
    """When the oldest counted run of the last day ended, in seconds since the epoch; 0 if there is none."""
    oldest_week: float = 0.0
    pending_seconds: float = 0.0
    """Estimated GPU-seconds of queued and running jobs."""
    pending_pictures: int = 0
    """Images expected from queued and running jobs; 0 when unknown."""
    pending: int = 0
    """Queued and running jobs."""
    waiting: int = 0
    """Jobs that are queued or still being validated."""
    running: int = 0
    last_asked: float = 0.0
    """When the newest request that was not refused arrived; 0 for never."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit over a sliding window with its usage, in GPU-seconds or images."""

    limit: float | None
    """None: no limit."""
    used: float
    pending: float
    """Estimated usage of queued and running jobs."""
    window: float
    """Seconds."""
    oldest: float = 0.0
    """When the oldest counted usage happened; 0 when unknown."""

    @property
    def left(self) -> float | None:
        """What can still be requested; None without a limit."""
        return None if self.limit is None else max(0.0, self.limit - self.used - self.pending)


@dataclass(frozen=True, slots=True)
class Quotas:
    day_seconds: Quota
    week_seconds: Quota
    day_pictures: Quota
    week_pictures: Quota


def quotas(allowance: Allowance, usage: Usage) -> Quotas:
    """Combine a member's limits with their usage."""
    seconds = usage.pending_seconds
    pictures = max(usage.pending, usage.pending_pictures)
    return Quotas(
        Quota(allowance.day_seconds, usage.day_seconds, seconds, DAY, usage.oldest_day),
        Quota(allowance.week_seconds, usage.week_seconds, seconds, WEEK, usage.oldest_week),
        Quota(allowance.day_pictures, usage.day_pictures, pictures, DAY, usage.oldest_day),
        Quota(allowance.week_pictures, usage.week_pictures, pictures, WEEK, usage.oldest_week),
    )


def admit(allowance: Allowance, usage: Usage, *, seconds: float, pictures: int, now: float) -> Decision:
    """Decide whether one more request, estimated at `seconds` and `pictures`, fits into the allowance."""
    for message in _reasons_to_refuse(allowance, usage, seconds, pictures, now):
        return Refused(message)
    return Allowed()


def _reasons_to_refuse(
    allowance: Allowance, usage: Usage, seconds: float, pictures: int, now: float
) -> Iterator[Message]:
    """Yield the reasons for a refusal, the one that clears soonest first."""
    if message := _cooldown(allowance, usage, now):
        yield message
    if message := _waiting(allowance, usage):
        yield message
    current = quotas(allowance, usage)
    for quota in (current.day_seconds, current.week_seconds):
        if not _has_room(quota, seconds):
            yield _too_long(quota, seconds, now)
    for quota in (current.day_pictures, current.week_pictures):
        if not _has_room(quota, pictures):
            yield _too_many(quota, pictures, now)


def _cooldown(allowance: Allowance, usage: Usage, now: float) -> Message | None:
    left = usage.last_asked + (allowance.cooldown or 0.0) - now
    if not usage.last_asked or left <= 0:
        return None
    # A clock that was set back must not make anyone wait longer than the whole cooldown
    wait = span(min(left, allowance.cooldown or 0.0))
    return _(
        "Cooldown: please wait {time} (one request every {cooldown} with your roles).",
        cooldown=span(allowance.cooldown or 0.0),
        time=wait,
    )


def _waiting(allowance: Allowance, usage: Usage) -> Message | None:
    if allowance.waiting is None or usage.waiting < allowance.waiting:
        return None
    return n_(
        "You already have a request in the queue (limit with your roles: 1). Please wait until it has started.",
        "You already have {waiting} requests in the queue (limit with your roles: {count}). Please wait until some "
        "have started.",
        allowance.waiting,
        waiting=usage.waiting,
    )


def _has_room(quota: Quota, more: float) -> bool:
    return quota.limit is None or quota.used + quota.pending + more <= quota.limit


def _too_long(quota: Quota, seconds: float, now: float) -> Message:
    limit = quota.limit or 0.0
    window = _window(quota)
    if seconds > limit:
        return _(
            "This takes about {asked} GPU minutes, but your roles allow {limit} in {window}. Please use another "
            "command, or ask a moderator.",
            asked=minutes(seconds),
            limit=minutes(limit),
            window=window,
        )
    return _(
        "You've used {used} of {limit} GPU minutes in the last {window}; {pending}this takes about {asked}. {hint}",
        used=minutes(quota.used),
        limit=minutes(limit),
        window=window,
        pending=_("your active requests need about {time}, and ", time=minutes(quota.pending)) if quota.pending else "",
        asked=minutes(seconds),
        hint=_hint(quota, now),
    )


def _too_many(quota: Quota, pictures: int, now: float) -> Message:
    limit = int(quota.limit or 0)
    window = _window(quota)
    if pictures > limit:
        return n_(
            "This makes 1 image, but your roles allow {limit} in {window}. Please ask a moderator.",
            "This makes {count} images, but your roles allow {limit} in {window}. Please ask for fewer, or ask a "
            "moderator.",
            pictures,
            limit=limit,
            window=window,
        )
    return _(
        "You've used {used} of {limit} images in the last {window}; {pending}this makes {asked}. {hint}",
        used=int(quota.used),
        limit=limit,
        window=window,
        pending=n_("1 more is on its way, and ", "{count} more are on their way, and ", int(quota.pending))
        if quota.pending
        else "",
        asked=pictures,
        hint=_hint(quota, now),
    )


def _window(quota: Quota) -> Message:
    if quota.window == DAY:
        return n_("{count} hour", "{count} hours", round(quota.window / 3600))
    return n_("{count} day", "{count} days", round(quota.window / DAY))


def _hint(quota: Quota, now: float) -> Message:
    """Say when quota frees up."""
    if quota.used and quota.oldest:
        left = min(max(1.0, quota.oldest + quota.window - now), quota.window)
        return _("More becomes available in {time}.", time=span(left))
    if quota.pending:
        return _("Please wait until those requests have finished, or ask a moderator.")
    return _("Please try again later, or ask a moderator.")
