"""Why a job does not start although a server is free: it is paused, none can run it, or its member has enough.

Says it in sentences for those who wait; the store's `claim` is what holds the job back.
"""

from collections.abc import Iterable, Mapping, Sequence

from bot.clock import Clock
from bot.i18n import Message, _, n_
from bot.jobs.fleetrecords import FleetRecords, Verdict
from bot.jobs.records import Account, Waiting
from bot.policy.pauses import EVERYTHING, Pause
from bot.policy.records import PolicyRecords
from bot.workflow.needs import missing

KEPT = 5.0
"""Seconds for which verdicts about a class are not read again."""
CLASSES = 100
"""Classes of jobs that are looked up at one look."""


class Obstacles:
    """Knows what holds jobs back, as of the last `look`."""

    def __init__(self, *, fleet: FleetRecords, policy: PolicyRecords, clock: Clock) -> None:
        self._fleet = fleet
        self._policy = policy
        self._clock = clock
        self._pauses: Mapping[str, Pause] = {}
        self._verdicts: dict[str, Mapping[str, Verdict]] = {}
        self._read = float("-inf")

    def forget(self) -> None:
        """Look everything up again: the servers have changed."""
        self._read = float("-inf")

    async def look(self, classes: Iterable[str]) -> None:
        """Read pauses and verdicts. May raise `StoreDownError`."""
        self._pauses = {pause.scope: pause for pause in await self._policy.pauses(self._clock.now())}
        if self._clock.monotonic() - self._read > KEPT:
            self._verdicts.clear()
            self._read = self._clock.monotonic()
        unknown = [cls for cls in dict.fromkeys(classes) if cls and cls not in self._verdicts]
        for cls in unknown[:CLASSES]:
            self._verdicts[cls] = await self._fleet.verdicts(cls)

    def of(self, job: Waiting, account: Account | None) -> Message | None:
        """Return what holds a job back, or None."""
        return self._paused(job) or self._unfit(job) or _at_cap(account)

    def _paused(self, job: Waiting) -> Message | None:
        for scope in scopes(job):
            if pause := self._pauses.get(scope):
                return paused(pause)
        return None

    def _unfit(self, job: Waiting) -> Message | None:
        verdicts: Sequence[Verdict] = tuple(self._verdicts.get(job.cls, {}).values())
        if not verdicts or any(verdict.fits for verdict in verdicts):
            return None
        nearest = min(verdicts, key=lambda verdict: len(verdict.lacks))
        return missing(nearest.lacks) if nearest.lacks else _("No server here can run this yet.")


def scopes(job: Waiting) -> tuple[str, ...]:
    """Return the scopes of pauses that concern a job, the widest first."""
    return (
        EVERYTHING,
        f"guild:{job.guild}",
        f"workflow:*:{job.workflow}",
        f"workflow:{job.guild}:{job.workflow}",
        f"member:{job.guild}:{job.user_id}",
    )


def paused(pause: Pause) -> Message:
    """Say that something is paused, in the words of who paused it."""
    if pause.reason:
        return _("Paused by a moderator: {reason}", reason=pause.reason)
    return _("Paused by a moderator. It starts by itself when that ends.")


def _at_cap(account: Account | None) -> Message | None:
    if account is None or account.terms.cap is None or account.running < account.terms.cap:
        return None
    return n_(
        "It starts when your other request is done: one at a time is allowed here.",
        "It starts when one of your others is done: {count} at a time are allowed here.",
        account.terms.cap,
    )
