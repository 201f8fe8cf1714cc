"""Decides whether a request may become a job, and on which terms, by size, roles, quotas and cooldown.

Discord sends all commands of a guild to one process, so a lock per member makes limits strict: it is held from reading
the member's usage until their job is stored.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from cachetools import TTLCache

from bot.clock import Clock
from bot.errors import LimitError
from bot.policy.decision import AdmissionRequest, Allowed, Decision, Held, Refused
from bot.policy.limits import Limits, review
from bot.policy.quotas import Usage, admit
from bot.policy.repository import PolicyRepository
from bot.policy.role_rules import Allowance, RoleRule, resolve
from bot.policy.terms import QueueTerms, account_key
from bot.workflow.run.measure import RunSize, measure
from bot.workflow.run.spec import RunSpec

RULES_CACHE_SECONDS = 5.0
"""Seconds for which a guild's rules are cached; another process may change them meanwhile."""
MAX_CACHED_GUILDS = 1000
PRIORITY_LANE = -1
"""The lane that is served before the normal one, 0."""


class JobCounter(Protocol):
    """The part of `bot.jobs.repository.JobRepository` that is needed here; the policy imports no jobs."""

    async def count_waiting(self, user_id: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Requester:
    """The member who sends a request, the guild, and their roles in it."""

    user_id: int
    guild_id: int | None
    role_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AdmissionContext:
    """A snapshot of everything that decides about one request."""

    requester: Requester
    allowance: Allowance
    usage: Usage
    waiting: int
    """This member's queued jobs, in all guilds."""
    now: float
    limits: Limits
    expect: Callable[[str], float] = field(repr=False)

    @property
    def terms(self) -> QueueTerms:
        """The weight, cap and lane of the member's jobs in the queue."""
        lane = PRIORITY_LANE if self.allowance.lane else 0
        return QueueTerms(weight=self.allowance.weight, cap=self.allowance.running, lane=lane)

    def admit_unread(self, workflow: str) -> None:
        """Raise `LimitError` if a request cannot be admitted, whatever its files are."""
        self._admit(workflow, RunSize(), 0)

    def admit(self, spec: RunSpec) -> None:
        """Raise `LimitError` if a request cannot be admitted."""
        longest = max((len(value) for value in spec.values.values() if isinstance(value, str)), default=0)
        self._admit(spec.workflow, measure(spec), longest)

    def _admit(self, workflow: str, size: RunSize, text_length: int) -> None:
        _pass(review(AdmissionRequest(size, self.waiting, text_length), self.limits))
        seconds = self.expect(workflow)
        _pass(admit(self.allowance, self.usage, seconds=seconds, pictures=max(1, size.count), now=self.now))


def _pass(decision: Decision) -> None:
    match decision:
        case Allowed():
            return
        case Refused(message) | Held(message):  # approval is not implemented
            raise LimitError(message)


class Admission:
    """Looks up what decides about requests. `expect` estimates the GPU-seconds of a run by workflow name."""

    def __init__(
        self,
        *,
        store: JobCounter,
        policies: PolicyRepository,
        expect: Callable[[str], float],
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._policies = policies
        self._expect = expect
        self._clock = clock
        self._limits = limits or Limits()
        self._rules = TTLCache[int, Sequence[RoleRule]](MAX_CACHED_GUILDS, RULES_CACHE_SECONDS, clock.monotonic)
        self._changes = 0
        self._locks: dict[str, _CountedLock] = {}

    @property
    def limits(self) -> Limits:
        """The limits of the whole installation."""
        return self._limits

    @asynccontextmanager
    async def lock(self, requester: Requester) -> AsyncGenerator[None]:
        """Hold the lock of one member, so that their requests are checked one at a time."""
        key = account_key(requester.guild_id, requester.user_id)
        counted = self._locks.setdefault(key, _CountedLock())
        counted.users += 1
        try:
            async with counted.lock:
                yield
        finally:
            counted.users -= 1
            if not counted.users:
                del self._locks[key]

    async def read(self, requester: Requester, limits: Limits | None = None) -> AdmissionContext:
        """Return what decides about a request, under the member's `lock`. May raise `DatabaseUnavailableError`.

        `limits` are those of the guild or channel; without them, those of the installation apply.
        """
        now = self._clock.now()
        allowance = await self.allowance(requester)
        usage = Usage()
        if allowance.limits_use:
            usage = await self._policies.usage(requester.guild_id, requester.user_id, now)
        return AdmissionContext(
            requester=requester,
            allowance=allowance,
            usage=usage,
            waiting=await self._store.count_waiting(requester.user_id),
            now=now,
            limits=limits or self._limits,
            expect=self._expect,
        )

    async def allowance(self, requester: Requester) -> Allowance:
        """Return the limits that a member's roles give. May raise `DatabaseUnavailableError`."""
        if requester.guild_id is None:
            return Allowance()
        return resolve(await self._rules_of(requester.guild_id), requester.guild_id, requester.role_ids)

    def forget(self, guild_id: int) -> None:
        """Drop the cached rules of a guild after a change."""
        self._changes += 1
        self._rules.pop(guild_id, None)

    async def _rules_of(self, guild_id: int) -> Sequence[RoleRule]:
        rules = self._rules.get(guild_id)
        if rules is None:
            changes = self._changes
            rules = await self._policies.rules(guild_id)
            if changes == self._changes:  # else these may be outdated
                self._rules[guild_id] = rules
        return rules


@dataclass(slots=True)
class _CountedLock:
    """The lock of one member, kept while a request holds it or waits for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
