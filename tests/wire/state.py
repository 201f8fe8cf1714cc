"""What a test switches on the fake Discord, and what it counted. One scenario is one field or one call."""

import re
from dataclasses import dataclass, field
from typing import Any

MIB = 1024 * 1024


@dataclass(slots=True)
class Fault:
    """A disturbance of the requests whose `METHOD /path` matches `pattern`."""

    pattern: re.Pattern[str]
    status: int | None = None
    body: dict[str, Any] | str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0
    drop: bool = False
    after: bool = False
    """The request takes effect first, only its answer is lost or forged."""
    times: int | None = 1
    """How many requests it meets; None is every one."""
    hits: int = 0

    def meets(self, line: str) -> bool:
        """Tell whether this request is disturbed."""
        return (self.times is None or self.hits < self.times) and self.pattern.search(line) is not None


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds, in a window that starts with the first."""

    limit: int
    seconds: float


@dataclass(slots=True)
class WireState:
    """Every switch of the fake, with the behaviour of the real Discord as default."""

    # Interactions
    ack_seconds: float = 3.0
    token_seconds: float = 900.0
    user_install_followups: int = 5
    nonce_seconds: float = 180.0
    """How long an enforced nonce is remembered; Discord says "a few minutes"."""
    # Sizes
    file_limit: int = 10 * MIB
    request_limit: int = 25 * MIB
    cdn_seconds: float = 86_400.0
    # Rate limits
    rate_limits: bool = True
    webhook_rate: Rate = Rate(5, 2.0)
    channel_rate: Rate = Rate(5, 5.0)
    global_rate: Rate = Rate(50, 1.0)
    old_edit_rate: Rate = Rate(3, 20.0)
    old_after: float = 3600.0
    ban_after: int = 10_000
    """So many 401, 403 and 429 answers until every request is refused without a `Via` header."""
    daily_command_creates: int = 200
    # Gateway
    shards: int = 1
    fewest_shards: int = 0
    """Bots with fewer shards are too large for them (4011)."""
    max_concurrency: int = 16
    limit_identifies: bool = False
    """Whether an IDENTIFY that comes too soon after another one is refused."""
    session_starts: int = 1000
    """IDENTIFYs in 24 hours."""
    heartbeat_seconds: float = 41.25
    ack_heartbeats: bool = True
    refuse_identifies: int = 0
    """The next so many IDENTIFYs are answered with INVALID SESSION."""
    refuse_resumes: int = 0
    """The next so many RESUMEs are answered with INVALID SESSION."""
    close_identifies: list[int] = field(default_factory=list[int])
    """Close codes for the next IDENTIFYs, such as 4004, 4011 or 4014."""
    # People
    bot_token: str | None = None
    """The only token that is accepted; None accepts any."""
    closed_dms: set[int] = field(default_factory=set[int])
    """Users who take no direct messages (403/50007)."""
    strangers: set[int] = field(default_factory=set[int])
    """Users with whom the bot shares no guild (403/50278)."""
    faults: list[Fault] = field(default_factory=list[Fault])

    def fail(
        self,
        pattern: str,
        status: int,
        code: int = 0,
        *,
        message: str = "",
        body: dict[str, Any] | str | None = None,
        headers: dict[str, str] | None = None,
        after: bool = False,
        delay: float = 0.0,
        times: int | None = 1,
    ) -> Fault:
        """Answer the next matching requests with this status; a body of text goes out as text/html."""
        forged = body if body is not None else {"message": message or f"{status}: forged by the test", "code": code}
        return self._add(
            Fault(re.compile(pattern), status, forged, headers or {}, delay=delay, after=after, times=times)
        )

    def delay(self, pattern: str, seconds: float, *, after: bool = False, times: int | None = 1) -> Fault:
        """Let the next matching requests wait, before they take effect or (`after`) before their answer."""
        return self._add(Fault(re.compile(pattern), delay=seconds, after=after, times=times))

    def drop(self, pattern: str, *, after: bool = False, times: int | None = 1) -> Fault:
        """Cut the connection of the next matching requests, before or after they took effect."""
        return self._add(Fault(re.compile(pattern), drop=True, after=after, times=times))

    def take_fault(self, line: str) -> Fault | None:
        """Return the first fault that meets this request, and count it."""
        for fault in self.faults:
            if fault.meets(line):
                fault.hits += 1
                return fault
        return None

    def _add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault


@dataclass(slots=True)
class WireCounters:
    """What happened so far."""

    rate_limited: int = 0
    """429 answers that a real Discord would have given too; those forged by a test are not counted."""
    invalid_requests: int = 0
    """401, 403 and 429 answers together: ten thousand in ten minutes is a ban."""
    identifies: int = 0
    resumes: int = 0
    refused_sessions: int = 0
    heartbeats: int = 0
    replayed_events: int = 0
    command_puts: int = 0


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One answered request; `at` is monotonic, `template` has `{names}` instead of ids."""

    at: float
    method: str
    template: str
    path: str
    status: int
    seconds: float
