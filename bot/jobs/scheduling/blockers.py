"""Why a queued job does not start although a server is free: paused, no compatible server, or a per-member limit.

Only explains it to members; what enforces it is the store's `claim`.
"""

from collections.abc import Iterable, Mapping, Sequence

from bot.clock import Clock
from bot.i18n import Message, _, n_
from bot.jobs.repository import AccountStatus, QueueEntry
from bot.jobs.server_registry import Compatibility, ServerRegistry
from bot.policy.pauses import Pause, scopes_of
from bot.policy.repository import PolicyRepository
from bot.workflow.run.needs import missing_text

CACHE_SECONDS = 5.0
"""Seconds for which compatibility verdicts are cached."""
MAX_CLASSES = 100
"""Maximum job classes looked up at once."""


class StartBlockers:
    """Knows what blocks jobs, as of the last `look`."""

    def __init__(self, *, fleet: ServerRegistry, policy: PolicyRepository, clock: Clock) -> None:
        self._fleet = fleet
        self._policy = policy
        self._clock = clock
        self._pauses: Mapping[str, Pause] = {}
        self._verdicts: dict[str, Mapping[str, Compatibility]] = {}
        self._read = float("-inf")

    def invalidate(self) -> None:
        """Drop the cached verdicts: the servers have changed."""
        self._read = float("-inf")

    async def refresh(self, classes: Iterable[str]) -> None:
        """Refresh pauses and verdicts. May raise `DatabaseUnavailableError`."""
        self._pauses = {pause.scope: pause for pause in await self._policy.pauses(self._clock.now())}
        if self._clock.monotonic() - self._read > CACHE_SECONDS:
            self._verdicts.clear()
            self._read = self._clock.monotonic()
        unknown = [cls for cls in dict.fromkeys(classes) if cls and cls not in self._verdicts]
        for cls in unknown[:MAX_CLASSES]:
            self._verdicts[cls] = await self._fleet.compatibility(cls)

    def of(self, job: QueueEntry, account: AccountStatus | None) -> Message | None:
        """Return the reason why a job is blocked, or None."""
        return self._paused(job) or self._unfit(job) or _at_cap(account)

    def _paused(self, job: QueueEntry) -> Message | None:
        for scope in scopes_of(guild=job.guild, workflow=job.workflow, account=job.account):
            if pause := self._pauses.get(scope):
                return paused(pause)
        return None

    def _unfit(self, job: QueueEntry) -> Message | None:
        verdicts: Sequence[Compatibility] = tuple(self._verdicts.get(job.cls, {}).values())
        if not verdicts or any(verdict.is_compatible for verdict in verdicts):
            return None
        nearest = min(verdicts, key=lambda verdict: len(verdict.missing))
        return missing_text(nearest.missing) if nearest.missing else _("None of the GPU servers can run this yet.")


def paused(pause: Pause) -> Message:
    if pause.reason:
        return _('Paused by a moderator: "{reason}"', reason=pause.reason)
    return _("Paused by a moderator. It will start when the pause ends.")


def _at_cap(account: AccountStatus | None) -> Message | None:
    if account is None or account.terms.cap is None or account.running < account.terms.cap:
        return None
    return n_(
        "It will start when your other request has finished (1 at a time).",
        "It will start when one of your other requests has finished ({count} at a time).",
        account.terms.cap,
    )
