"""How long a run takes, learnt from those that were: by workflow and server, with less to go on by workflow alone.

In memory; a bot that starts reads the newest runs from its ledger. Pure, but for what it remembers.
"""

from collections.abc import Iterable, Mapping

UNKNOWN = 30.0
"""Seconds that are expected of a run while nothing at all is known."""
NEWEST = 0.2
"""How much the newest run counts: the last dozen or so decide, as settings and models change."""


class Durations:
    """Expected seconds of runs."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], float] = {}
        self._supposed: Mapping[str, float] = {}

    def suppose(self, seconds: Mapping[str, float]) -> None:
        """Take over what the authors of workflows expect: it counts until a run of theirs was seen."""
        self._supposed = seconds

    def learn(self, workflow: str, server: str, seconds: float) -> None:
        """Take in what a run has taken of its server."""
        for key in ((workflow, server), (workflow, ""), ("", server), ("", "")):
            known = self._known.get(key)
            self._known[key] = seconds if known is None else known + NEWEST * (seconds - known)

    def restart(self, runs: Iterable[tuple[str, str, float]]) -> None:
        """Forget everything, and learn from these runs: workflow, server, seconds; the oldest first."""
        self._known.clear()
        for workflow, server, seconds in runs:
            self.learn(workflow, server, seconds)

    def expect(self, workflow: str, server: str = "") -> float:
        """Return the seconds that a run will take, on a server or on any; without a workflow, any run there."""
        for key in ((workflow, server), (workflow, "")):
            if key in self._known:
                return self._known[key]
        return self._supposed.get(workflow) or self._known.get(("", ""), UNKNOWN)
