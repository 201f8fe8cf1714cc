"""Spares jobs a server that fails them one after the other: it rests for a while, then one job is the probe.

What counts are faults of the server (it broke down, took nothing, answered with errors of its own), not of what was
asked of it. Pure, but for what it remembers and the injected clock.
"""

from bot.clock import Clock

TRIP_AFTER = 3
"""Faults in a row after which a server rests."""
FIRST_REST = 15.0
"""Seconds; doubled each time that the probe fails, too."""
LONGEST_REST = 300.0


class Breaker:
    """Counts the faults of one server."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults = 0
        self._rest = FIRST_REST
        self._until = 0.0
        self._is_probing = False

    @property
    def is_resting(self) -> bool:
        """Whether the server gets nothing now, or nothing but the probe that it has."""
        return self._is_probing or self.rests_for > 0

    @property
    def rests_for(self) -> float:
        """Seconds until the server may get a job."""
        return max(0.0, self._until - self._clock.monotonic())

    @property
    def allows(self) -> bool:
        """Whether the server may get a job now."""
        return not self.is_resting

    def begin(self) -> None:
        """Take in that the server gets a job."""
        self._is_probing = self._faults >= TRIP_AFTER

    def succeeded(self) -> None:
        """Take in that a run came to an end: the server works."""
        self._faults, self._rest, self._until, self._is_probing = 0, FIRST_REST, 0.0, False

    def failed(self) -> None:
        """Take in a fault of the server."""
        self._is_probing = False
        self._faults += 1
        if self._faults >= TRIP_AFTER:
            self._until = self._clock.monotonic() + self._rest
            self._rest = min(2 * self._rest, LONGEST_REST)

    def left(self) -> None:
        """Take in that a job left the server without telling anything about it."""
        self._is_probing = False
