"""Circuit breaker of one server: after repeated faults it opens for a while, then a single job probes the server.

Only the server's own faults count (crashes, refused prompts, 5xx answers), not errors in the request. Deterministic,
given the injected clock.
"""

from bot.clock import Clock

TRIP_AFTER = 3
"""Consecutive faults that open the breaker."""
FIRST_COOLDOWN = 15.0
"""Seconds; doubled each time the probe fails too."""
MAX_COOLDOWN = 300.0


class CircuitBreaker:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults = 0
        self._rest = FIRST_COOLDOWN
        self._until = 0.0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether the server gets no jobs, or only the probe it already has."""
        return self._is_probing or self.open_for > 0

    @property
    def open_for(self) -> float:
        """Seconds until the server may get a job."""
        return max(0.0, self._until - self._clock.monotonic())

    @property
    def allows(self) -> bool:
        return not self.is_open

    def begin(self) -> None:
        """Record that a job was given to the server."""
        self._is_probing = self._faults >= TRIP_AFTER

    def succeeded(self) -> None:
        """Record that a run ended, so the server works."""
        self._faults, self._rest, self._until, self._is_probing = 0, FIRST_COOLDOWN, 0.0, False

    def failed(self) -> None:
        """Record a fault of the server."""
        self._is_probing = False
        self._faults += 1
        if self._faults >= TRIP_AFTER:
            self._until = self._clock.monotonic() + self._rest
            self._rest = min(2 * self._rest, MAX_COOLDOWN)

    def left(self) -> None:
        """Record that a job left the server without showing whether it works."""
        self._is_probing = False
