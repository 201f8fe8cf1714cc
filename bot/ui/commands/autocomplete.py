"""Autocomplete: answered immediately from memory, ranked by use."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from bot.workflow.graph.definitions import Definitions
from bot.workflow.manifest.options import LorasOption, Option, SizeOption
from bot.workflow.patterns import matching
from bot.workflow.ranking import MOST, Index, Indexes, Uses
from bot.workflow.run.live_limits import live_choices
from bot.workflow.run.spec import RunSpec
from bot.workflow.workflow import Workflow

MAX_VALUE = 100
"""Characters of a suggestion, Discord's limit; longer values can still be typed."""
WORKFLOWS = "workflow"
"""The key under which uses of workflows are counted."""

_LAST = re.compile(r"^(.*[,;]\s*)?(.*?)(:[^,;:]*)?$", re.DOTALL)


class Autocompleter:
    """`definitions` returns the servers' node definitions without waiting."""

    def __init__(self, *, definitions: Callable[[], Definitions], uses: Uses) -> None:
        self._definitions = definitions
        self._uses = uses
        self._indexes = Indexes(self._names)
        self._lists: dict[tuple[str, ...], tuple[Sequence[str], tuple[str, ...]]] = {}

    def values(self, option: Option, typed: str) -> list[str]:
        """Return suggestions for an option: from a live list, its choices, or common sizes."""
        if isinstance(option, SizeOption):
            return _fitting(_sizes(option), typed)
        if isinstance(option, LorasOption):
            return self._loras(option, typed)
        if option.source is None:
            return _fitting([choice.label for choice in option.choices], typed)
        return _short(self.index(option).best(typed, self._uses.of(option.source), MOST * 2))

    def index(self, option: Option) -> Index:
        return self._indexes.of(_key(option))

    async def prepare(self, options: Iterable[Option]) -> None:
        """Index the live lists of options in advance: thousands of names take longer than a keystroke."""
        for option in options:
            if option.source is None:
                continue
            key = _key(option)
            names = self._indexes.unprepared(key)
            if names is not None:
                self._indexes.keep(key, names, await asyncio.to_thread(Index, names))

    def learn(self, workflow: Workflow | None, spec: RunSpec) -> None:
        """Count the workflow and the values of one request."""
        self._uses.count(WORKFLOWS, spec.workflow)
        for name, option in workflow.manifest.options.items() if workflow else ():
            value = spec.values.get(name)
            if option.source is not None and isinstance(value, str):
                for each in _entries(value) if isinstance(option, LorasOption) else (value,):
                    self._uses.count(option.source, each)

    def relearn(self, runs: Iterable[tuple[Workflow | None, RunSpec]]) -> None:
        """Replace all counts by those of these runs."""
        self._uses.clear()
        for workflow, spec in runs:
            self.learn(workflow, spec)

    @property
    def uses(self) -> Mapping[str, int]:
        """How often each workflow was used."""
        return self._uses.of(WORKFLOWS)

    def _loras(self, option: LorasOption, typed: str) -> list[str]:
        """Complete the last entry, and keep those before it."""
        parts = _LAST.match(typed)
        before, last, strength = (parts[1] or "", parts[2], parts[3] or "") if parts else ("", typed, "")
        taken = set(_entries(before))
        names = self.index(option).best(last, self._uses.of(option.source), MOST * 2)
        return _short([f"{before}{name}{strength}" for name in names if name not in taken])

    def _names(self, key: str) -> Sequence[str]:
        """Return a list by source and patterns; the same object until it changes."""
        source, *patterns = key.split("\n")
        names = self._definitions().choices(source)
        if not patterns:
            return names
        known = self._lists.get((key,))
        if known is None or known[0] is not names:
            known = self._lists[(key,)] = (names, matching(names, patterns))
        return known[1]


def _key(option: Option) -> str:
    return "\n".join((option.source or "", *option.match))


def live_names(option: Option, definitions: Definitions) -> tuple[str, ...]:
    """Return what the servers offer for an option; empty if it has no live list, or no server is known."""
    return live_choices(option, definitions) or ()


def _entries(text: str) -> list[str]:
    return [entry.rpartition(":")[0].strip() or entry.strip() for entry in re.split(r"[,;]", text) if entry.strip()]


def _sizes(option: SizeOption) -> list[str]:
    labels = [choice.label for choice in option.choices]
    return labels or [
        size for size in (option.default, "1024x1024", "832x1216", "1216x832", "768x768", "512x512") if size
    ]


def _fitting(values: Sequence[str], typed: str) -> list[str]:
    found = Index(dict.fromkeys(values)).best(typed)
    return _short(found if found or not typed.strip() else [typed.strip()])


def _short(values: Sequence[str]) -> list[str]:
    return [value for value in values if 0 < len(value) <= MAX_VALUE][:MOST]
