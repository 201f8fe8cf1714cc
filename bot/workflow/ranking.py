"""Finds names by what somebody has typed so far, among thousands, within the time between two keystrokes.

Pure. All words that were typed must occur, in any order. First come names that are used most among those that fit
equally well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

MOST = 25
"""Discord shows so many suggestions."""
COUNTED = 5000
"""Names whose use is counted; beyond these the rarest are forgotten."""

_SEPARATORS = "/\\ _-.()[]"
_WORDS = str.maketrans(_SEPARATORS, " " * len(_SEPARATORS))


class _Name(NamedTuple):
    """A name, prepared."""

    name: str
    folded: str
    words: str
    """The same with every separator a blank, and one before it."""
    file: int
    """Where the bare name of the file begins, behind its folders."""


class Index:
    """Names that are searched again and again: prepared once, which takes some 20 ms for 10,000."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [_prepared(name) for name in names]

    def best(self, typed: str, uses: Mapping[str, int] | None = None, most: int = MOST) -> list[str]:
        """Return the names that fit best, at most `most`. `uses` tells how often each was used."""
        uses = uses or {}
        wanted = typed.casefold().split()
        if not wanted:
            ranked = sorted(enumerate(self._names), key=lambda each: (-uses.get(each[1].name, 0), each[0]))
            return [entry.name for _at, entry in ranked[:most]]
        whole = " ".join(wanted)
        fitting = [
            (_rank(entry, whole, wanted[0]), -uses.get(entry.name, 0), at)
            for at, entry in enumerate(self._names)
            if all(word in entry.folded for word in wanted)
        ]
        fitting.sort()
        return [self._names[at].name for _rank_, _used, at in fitting[:most]]

    def meant(self, typed: str) -> str | None:
        """Return the one name that was meant: exactly that, or the only one that fits; None for none, or several."""
        wanted = typed.strip()
        exact = [entry.name for entry in self._names if wanted in (entry.name, entry.folded)]
        if exact:
            return exact[0]
        found = self.best(wanted, most=2) if wanted else []
        return found[0] if len(found) == 1 else None


def _prepared(name: str) -> _Name:
    folded = name.casefold()
    file = max(folded.rfind("/"), folded.rfind("\\")) + 1
    return _Name(name, folded, " " + folded.translate(_WORDS), file)


def _rank(entry: _Name, whole: str, first: str) -> int:
    """Return how well a name fits: 0 best."""
    if whole in (entry.folded, entry.folded[entry.file :]):
        return 0
    if entry.folded.startswith(whole):
        return 1
    if entry.folded.startswith(whole, entry.file):
        return 2
    if f" {first}" in entry.words:
        return 3
    return 4


class Indexes:
    """An index for each list that was searched, kept for as long as the list is the same."""

    def __init__(self, lists: Callable[[str], Sequence[str]], kept: int = 200) -> None:
        self._lists = lists
        self._kept = kept
        self._known: dict[str, tuple[Sequence[str], Index]] = {}

    def of(self, source: str) -> Index:
        """Return the index of a list, such as "CheckpointLoaderSimple.ckpt_name"."""
        names = self.unprepared(source)
        return self._known[source][1] if names is None else self.keep(source, names, Index(names))

    def unprepared(self, source: str) -> Sequence[str] | None:
        """Return a list of which there is no index yet; None when there is one."""
        names = self._lists(source)
        known = self._known.get(source)
        if known is None or (known[0] is not names and known[0] != names):
            return names
        if known[0] is not names:
            self._known[source] = (names, known[1])
        return None

    def keep(self, source: str, names: Sequence[str], index: Index) -> Index:
        """Keep the index of a list, and return it."""
        self._known.pop(source, None)
        while len(self._known) >= self._kept:
            self._known.pop(next(iter(self._known)))
        self._known[source] = (names, index)
        return index


class Uses:
    """How often something was used: values of lists, and workflows."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def count(self, source: str, value: str) -> None:
        """Take in one use."""
        counts = self._counts.setdefault(source, Counter())
        counts[value] += 1
        if len(counts) > COUNTED:
            self._counts[source] = Counter(dict(counts.most_common(COUNTED // 2)))

    def clear(self) -> None:
        """Forget all of them."""
        self._counts.clear()

    def of(self, source: str) -> Mapping[str, int]:
        """Return the uses of each value."""
        return self._counts.get(source, {})
