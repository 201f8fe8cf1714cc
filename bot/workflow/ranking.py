"""Searches thousands of names for autocompletion, fast enough for every keystroke.

Pure. All typed words must occur, in any order. Among equally good matches, the most used names come first.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

MOST = 25
"""Discord's limit for suggestions."""
COUNTED = 5000
"""Names whose uses are counted; beyond these the rarest are dropped."""

_SEPARATORS = "/\\ _-.()[]"
_WORDS = str.maketrans(_SEPARATORS, " " * len(_SEPARATORS))


class _Name(NamedTuple):
    name: str
    folded: str
    words: str
    """The folded name with a leading blank and a blank for each separator."""
    file: int
    """Offset of the file name behind its folders."""


class Index:
    """A list of names prepared for searching, which takes about 20 ms for 10,000 names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [_prepared(name) for name in names]

    def best(self, typed: str, uses: Mapping[str, int] | None = None, most: int = MOST) -> list[str]:
        """Return the best matches, at most `most`. `uses` is how often each name was used."""
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

    def resolve(self, typed: str) -> str | None:
        """Return the exact match, or else the only match; None if there is none, or several."""
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
    """Return how well a name matches: 0 is best."""
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
    """A cache of indexes by list; an index is valid while its list is unchanged."""

    def __init__(self, lists: Callable[[str], Sequence[str]], kept: int = 200) -> None:
        self._lists = lists
        self._kept = kept
        self._known: dict[str, tuple[Sequence[str], Index]] = {}

    def of(self, source: str) -> Index:
        """Return the index of a list, such as "CheckpointLoaderSimple.ckpt_name", building it if necessary."""
        names = self.unprepared(source)
        return self._known[source][1] if names is None else self.keep(source, names, Index(names))

    def unprepared(self, source: str) -> Sequence[str] | None:
        """Return the list if it has no valid index yet, else None."""
        names = self._lists(source)
        known = self._known.get(source)
        if known is None or (known[0] is not names and known[0] != names):
            return names
        if known[0] is not names:
            self._known[source] = (names, known[1])
        return None

    def keep(self, source: str, names: Sequence[str], index: Index) -> Index:
        """Cache the index of a list, and return it."""
        self._known.pop(source, None)
        while len(self._known) >= self._kept:
            self._known.pop(next(iter(self._known)))
        self._known[source] = (names, index)
        return index


class Uses:
    """Counts uses of workflows and of values in lists."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def count(self, source: str, value: str) -> None:
        counts = self._counts.setdefault(source, Counter())
        counts[value] += 1
        if len(counts) > COUNTED:
            self._counts[source] = Counter(dict(counts.most_common(COUNTED // 2)))

    def clear(self) -> None:
        self._counts.clear()

    def of(self, source: str) -> Mapping[str, int]:
        return self._counts.get(source, {})
