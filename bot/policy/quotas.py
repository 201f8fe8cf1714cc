"""How much a member has used and may still use; and whether one more request is within that. Pure.

A day is the last 24 hours and a week the last 7 days: they slide, so that there is no hour at which everybody comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.i18n import Message, _, n_
from bot.policy.decision import Allowed, Decision, Refused
from bot.policy.rules import Allowance
from bot.policy.wording import minutes, span

DAY = 86_400.0
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member has had in a guild, and what of theirs is still to come."""

    day_seconds: float = 0.0
    """GPU-seconds of runs that count, within the last day."""
    week_seconds: float = 0.0
    day_pictures: int = 0
    week_pictures: int = 0
    oldest_day: float = 0.0
    """When the oldest of the runs that count within the last day ended, in seconds since the epoch; 0 for none."""
    oldest_week: float = 0.0
    pending_seconds: float = 0.0
    """GPU-seconds that what waits and runs is expected to take."""
    pending_pictures: int = 0
    """Pictures that what waits and runs will bring; 0 when that is not known."""
    pending: int = 0
    """Jobs that wait or run."""
    waiting: int = 0
    """Jobs that wait: in the line, or being read."""
    running: int = 0
    last_asked: float = 0.0
    """When the newest request that was not refused came; 0 for never."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit for a window of time, with what was used of it. Seconds of GPU time, or pictures."""

    limit: float | None
    """None: nothing is limited."""
    used: float
    pending: float
    """What waits and runs will add, as far as that is known."""
    window: float
    """Seconds."""
    oldest: float = 0.0
    """When the first of what was used came about; 0 when that is not known."""

    @property
    def left(self) -> float | None:
        """What may still be asked for; None without a limit."""
        return None if self.limit is None else max(0.0, self.limit - self.used - self.pending)


@dataclass(frozen=True, slots=True)
class Quotas:
    """All that is limited over time."""

    day_seconds: Quota
    week_seconds: Quota
    day_pictures: Quota
    week_pictures: Quota


def quotas(allowance: Allowance, standing: Standing) -> Quotas:
    """Set what a member may have against what they had."""
    seconds = standing.pending_seconds
    pictures = max(standing.pending, standing.pending_pictures)
    return Quotas(
        Quota(allowance.day_seconds, standing.day_seconds, seconds, DAY, standing.oldest_day),
        Quota(allowance.week_seconds, standing.week_seconds, seconds, WEEK, standing.oldest_week),
        Quota(allowance.day_pictures, standing.day_pictures, pictures, DAY, standing.oldest_day),
        Quota(allowance.week_pictures, standing.week_pictures, pictures, WEEK, standing.oldest_week),
    )


def admit(allowance: Allowance, standing: Standing, *, seconds: float, pictures: int, now: float) -> Decision:
    """Decide whether one more request, expected to take `seconds` and bring `pictures`, is within the allowance."""
    for message in _complaints(allowance, standing, seconds, pictures, now):
        return Refused(message)
    return Allowed()


def _complaints(
    allowance: Allowance, standing: Standing, seconds: float, pictures: int, now: float
) -> Iterator[Message]:
    """Yield why not; first what passes soonest."""
    if message := _cooling(allowance, standing, now):
        yield message
    if message := _waiting(allowance, standing):
        yield message
    held = quotas(allowance, standing)
    for quota in (held.day_seconds, held.week_seconds):
        if not _fits(quota, seconds):
            yield _too_long(quota, seconds, now)
    for quota in (held.day_pictures, held.week_pictures):
        if not _fits(quota, pictures):
            yield _too_many(quota, pictures, now)


def _cooling(allowance: Allowance, standing: Standing, now: float) -> Message | None:
    left = standing.last_asked + (allowance.cooldown or 0.0) - now
    if not standing.last_asked or left <= 0:
        return None
    # A clock that was set back must not make anybody wait for longer than the whole cooldown
    wait = span(min(left, allowance.cooldown or 0.0))
    return _(
        "With your roles, one request in {cooldown} is allowed here. Please wait another {time}.",
        cooldown=span(allowance.cooldown or 0.0),
        time=wait,
    )


def _waiting(allowance: Allowance, standing: Standing) -> Message | None:
    if allowance.waiting is None or standing.waiting < allowance.waiting:
        return None
    return n_(
        "With your roles, one request may wait at a time. Please wait until yours has started.",
        "With your roles, {count} requests may wait at a time, and you have {waiting}. Please wait until some have "
        "started.",
        allowance.waiting,
        waiting=standing.waiting,
    )


def _fits(quota: Quota, more: float) -> bool:
    return quota.limit is None or quota.used + quota.pending + more <= quota.limit


def _too_long(quota: Quota, seconds: float, now: float) -> Message:
    limit = quota.limit or 0.0
    window = _window(quota)
    if seconds > limit:
        return _(
            "This takes about {asked} GPU minutes, and with your roles {limit} in {window} are allowed here. Please "
            "choose another command, or ask a moderator.",
            asked=minutes(seconds),
            limit=minutes(limit),
            window=window,
        )
    return _(
        "You have used {used} of {limit} GPU minutes of the last {window}; {pending}this takes about {asked}. {hint}",
        used=minutes(quota.used),
        limit=minutes(limit),
        window=window,
        pending=_("what you have waiting or running may take {time}, and ", time=minutes(quota.pending))
        if quota.pending
        else "",
        asked=minutes(seconds),
        hint=_hint(quota, now),
    )


def _too_many(quota: Quota, pictures: int, now: float) -> Message:
    limit = int(quota.limit or 0)
    window = _window(quota)
    if pictures > limit:
        return n_(
            "This makes a picture, and with your roles {limit} in {window} are allowed here. Please ask a moderator.",
            "This makes {count} pictures, and with your roles {limit} in {window} are allowed here. Please ask for "
            "fewer, or ask a moderator.",
            pictures,
            limit=limit,
            window=window,
        )
    return _(
        "You have had {used} of {limit} pictures of the last {window}; {pending}this makes {asked}. {hint}",
        used=int(quota.used),
        limit=limit,
        window=window,
        pending=n_("one more is coming, and ", "{count} more are coming, and ", int(quota.pending))
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
    """Say when some of it will be free again."""
    if quota.used and quota.oldest:
        left = min(max(1.0, quota.oldest + quota.window - now), quota.window)
        return _("The first of it counts no more in {time}.", time=span(left))
    if quota.pending:
        return _("Please wait until that is done, or ask a moderator.")
    return _("Please come back later, or ask a moderator.")
