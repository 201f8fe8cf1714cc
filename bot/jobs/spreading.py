"""How servers are spread over the processes that may use them: which of the free ones to take, and which one to leave.

Every process decides for itself by what it sees, so none of this must be exact: what two want at the same time, one
gets. Pure but for its memory of what it saw; knows neither leases nor the database.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

SPARE_AFTER = 10.0
"""Seconds for which a server beyond our share is left to others, who may not be able or allowed to use it."""
OFFER_AGAIN = 3600.0
"""Seconds until others are offered something again that did not take what was free."""
LEAVE_EVERY = 5.0
"""Seconds between two servers that we leave to others."""


@dataclass(frozen=True, slots=True)
class View:
    """Who has what at the moment."""

    me: str
    servers: Collection[str]
    """All that we may use."""
    ours: Collection[str]
    """Those that we have, and do not leave."""
    owners: Mapping[str, str]
    """Who has a server; nobody, where it is not named."""
    workers: int
    """How many processes share, this one included."""

    leaving: Collection[str]
    """Those that we leave, until others may have them."""

    @property
    def share(self) -> int:
        """How many servers we may have."""
        return -(-len(self.servers) // self.workers)

    @property
    def fair(self) -> int:
        """How many servers everybody should have at least."""
        return len(self.servers) // self.workers

    def others(self) -> list[int]:
        """Return how many servers each of the other processes has."""
        has = Counter(self.owners[key] for key in self.servers if key in self.owners)
        del has[self.me]
        return [*has.values()] + [0] * (self.workers - 1 - len(has))


class Spreading:
    """Decides for one process. `busyness` says how much would be disturbed by leaving a server."""

    def __init__(self, busyness: Callable[[str], float]) -> None:
        self._busyness = busyness
        self._free_since: dict[str, float] = {}
        self._left: set[str] = set()
        """Servers that we left, until somebody has them."""
        self._left_at = float("-inf")
        self._refused_by = 0
        self._refused_until = float("-inf")
        """Until when we offer nothing to so many processes: they did not take what was free."""

    def to_take(self, view: View, now: float) -> list[str]:
        """Return the free servers that we should take."""
        free = [key for key in view.servers if key not in view.owners and key not in {*view.ours, *view.leaving}]
        self._free_since = {key: self._free_since.get(key, now) for key in free}
        self._left &= {*free, *view.leaving}
        wanted = sorted((key for key in free if key not in self._left), key=lambda key: _order(view.me, key))
        taken = wanted[: max(0, view.share - len(view.ours))]
        spare = [key for key in free if key not in taken and now - self._free_since[key] >= SPARE_AFTER][:1]
        if spare and len(view.ours) + len(taken) >= view.share:
            self._refused_by, self._refused_until = view.workers, now + OFFER_AGAIN
        return taken + spare

    def to_leave(self, view: View, now: float) -> str | None:
        """Return the server that another process should have instead of us; none while there are free ones."""
        is_refused = view.workers == self._refused_by and now < self._refused_until
        if self._free_since or is_refused or now - self._left_at < LEAVE_EVERY or not self._has_too_many(view):
            return None
        self._left_at = now
        key = min(sorted(view.ours), key=self._busyness)
        self._left.add(key)
        return key

    def _has_too_many(self, view: View) -> bool:
        others = view.others()
        if not others or len(view.ours) <= view.fair:
            return False
        if sum(max(0, view.fair - has) for has in others) > len(view.leaving):
            return True
        return not view.leaving and len(view.ours) >= min(others) + 2


def _order(me: str, key: str) -> bytes:
    """Return by what servers are tried: another order for each process, so that they seldom want the same."""
    return hashlib.blake2b(f"{me} {key}".encode(), digest_size=8).digest()
