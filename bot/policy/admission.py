"""Decides whether a request may become a job, and on which terms, by size, roles, quotas and cooldown.

Discord sends all commands of a guild to one process, so a lock per member makes limits strict: it is held from reading
the member's usage until their job is stored.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

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


class Waits(Protocol):
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

    asker: Requester
    allowance: Allowance
    standing: Usage
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
        request = AdmissionRequest(
            user_id=self.asker.user_id,
            guild_id=self.asker.guild_id,
            workflow=workflow,
            size=size,
            waiting=self.waiting,
            text_length=text_length,
        )
        _pass(review(request, self.limits))
        seconds = self.expect(workflow)
        _pass(admit(self.allowance, self.standing, seconds=seconds, pictures=max(1, size.count), now=self.now))


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
        store: Waits,
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
        self._rules: OrderedDict[int, tuple[float, Sequence[RoleRule]]] = OrderedDict()
        self._changes = 0
        self._turns: dict[str, _MemberLock] = {}

    @property
    def limits(self) -> Limits:
        """The limits of the whole installation."""
        return self._limits

    @asynccontextmanager
    async def lock(self, asker: Requester) -> AsyncGenerator[None]:
        """Hold the lock of one member, so that their requests are checked one at a time."""
        key = account_key(asker.guild_id, asker.user_id)
        turn = self._turns.setdefault(key, _MemberLock())
        turn.takers += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.takers -= 1
            if not turn.takers:
                del self._turns[key]

    async def read(self, asker: Requester, limits: Limits | None = None) -> AdmissionContext:
        """Return what decides about a request, within the member's `turn`. May raise `DatabaseUnavailableError`.

        `limits` are those of the guild or channel; without them, those of the installation apply.
        """
        now = self._clock.now()
        allowance = await self.allowance(asker)
        standing = Usage()
        if allowance.limits_use:
            standing = await self._policies.usage(asker.guild_id, asker.user_id, now)
        return AdmissionContext(
            asker=asker,
            allowance=allowance,
            standing=standing,
            waiting=await self._store.count_waiting(asker.user_id),
            now=now,
            limits=limits or self._limits,
            expect=self._expect,
        )

    async def allowance(self, asker: Requester) -> Allowance:
        """Return the limits that a member's roles give. May raise `DatabaseUnavailableError`."""
        if asker.guild_id is None:
            return Allowance()
        return resolve(await self._rules_of(asker.guild_id), asker.guild_id, asker.role_ids)

    def forget(self, guild_id: int) -> None:
        """Drop the cached rules of a guild after a change."""
        self._changes += 1
        self._rules.pop(guild_id, None)

    async def _rules_of(self, guild_id: int) -> Sequence[RoleRule]:
        read_at, rules = self._rules.get(guild_id, (float("-inf"), ()))
        if self._clock.monotonic() - read_at > RULES_CACHE_SECONDS:
            changes, read_at = self._changes, self._clock.monotonic()
            rules = await self._policies.rules(guild_id)
            if changes == self._changes:  # else these may be outdated
                self._remember(guild_id, read_at, rules)
        return rules

    def _remember(self, guild_id: int, read_at: float, rules: Sequence[RoleRule]) -> None:
        self._rules[guild_id] = (read_at, rules)
        self._rules.move_to_end(guild_id)
        while len(self._rules) > MAX_CACHED_GUILDS:
            self._rules.popitem(last=False)


@dataclass(slots=True)
class _MemberLock:
    """The lock of one member, kept while a request holds it or waits for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    takers: int = 0
