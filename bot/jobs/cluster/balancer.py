"""Balances servers over processes: which free servers to take, and which one to give up.

Every process decides on its own from what it sees; if two want the same server, the lease decides. Pure but for its
memory of earlier decisions.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

SPARE_AFTER = 10.0
"""Seconds before a process takes a free server beyond its share: others may not be able or allowed to use it."""
OFFER_INTERVAL = 3600.0
"""Seconds until servers are offered again to processes that did not take free ones."""
LEAVE_INTERVAL = 5.0
"""Seconds between two servers given up."""


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The current distribution of servers."""

    me: str
    servers: Collection[str]
    """All servers this process may use."""
    mine: Collection[str]
    """Those it holds and keeps."""
    owners: Mapping[str, str]
    """Lease holders by server; servers without one are absent."""
    workers: int
    """Number of processes that share the servers, this one included."""

    leaving: Collection[str]
    """Servers being given up, until others may have them."""

    @property
    def share(self) -> int:
        """How many servers this process may have."""
        return -(-len(self.servers) // self.workers)

    @property
    def fair(self) -> int:
        """How many servers every process should have at least."""
        return len(self.servers) // self.workers

    def others(self) -> list[int]:
        """Return the number of servers of each other process."""
        has = Counter(self.owners[key] for key in self.servers if key in self.owners)
        del has[self.me]
        return [*has.values()] + [0] * (self.workers - 1 - len(has))


class ServerBalancer:
    """Decides for one process. `busyness` rates how disruptive giving up a server would be."""

    def __init__(self, busyness: Callable[[str], float]) -> None:
        self._busyness = busyness
        self._free_since: dict[str, float] = {}
        self._left: set[str] = set()
        """Servers given up that nobody has taken yet."""
        self._left_at = float("-inf")
        self._refused_by = 0
        self._refused_until = float("-inf")
        """Until when nothing is offered to that many processes: they did not take free servers."""

    def to_take(self, view: LeaseView, now: float) -> list[str]:
        """Return the free servers to take."""
        free = [key for key in view.servers if key not in view.owners and key not in {*view.mine, *view.leaving}]
        self._free_since = {key: self._free_since.get(key, now) for key in free}
        self._left &= {*free, *view.leaving}
        wanted = sorted((key for key in free if key not in self._left), key=lambda key: _order(view.me, key))
        taken = wanted[: max(0, view.share - len(view.mine))]
        spare = [key for key in free if key not in taken and now - self._free_since[key] >= SPARE_AFTER][:1]
        if spare and len(view.mine) + len(taken) >= view.share:
            self._refused_by, self._refused_until = view.workers, now + OFFER_INTERVAL
        return taken + spare

    def to_leave(self, view: LeaseView, now: float) -> str | None:
        """Return the server to give up to another process; none while there are free ones."""
        is_refused = view.workers == self._refused_by and now < self._refused_until
        if self._free_since or is_refused or now - self._left_at < LEAVE_INTERVAL or not self._has_too_many(view):
            return None
        self._left_at = now
        key = min(sorted(view.mine), key=self._busyness)
        self._left.add(key)
        return key

    def _has_too_many(self, view: LeaseView) -> bool:
        others = view.others()
        if not others or len(view.mine) <= view.fair:
            return False
        if sum(max(0, view.fair - has) for has in others) > len(view.leaving):
            return True
        return not view.leaving and len(view.mine) >= min(others) + 2


def _order(me: str, key: str) -> bytes:
    """Return the sort key of a server: a different order in each process, to avoid conflicts."""
    return hashlib.blake2b(f"{me} {key}".encode(), digest_size=8).digest()
