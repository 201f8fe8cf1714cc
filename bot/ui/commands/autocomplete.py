"""Autocomplete: answered immediately from memory, ranked by use."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from cachetools import LRUCache

from bot.clock import Clock
from bot.jobs.job import JobState
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.library import Library
from bot.workflow.manifest.options import LorasOption, Option, SizeOption
from bot.workflow.patterns import matching
from bot.workflow.ranking import MOST, Index, Indexes, Uses
from bot.workflow.run.spec import RunSpec
from bot.workflow.workflow import Workflow

MAX_VALUE = 100
"""Characters of a suggestion, Discord's limit; longer values can still be typed."""
MAX_LISTS = 200
"""Filtered lists that are cached."""
INDEX_INTERVAL = 2.0
"""Seconds between two checks for new servers or workflows."""
RECENT_JOBS = 200
"""Jobs by which suggestions are ranked."""
RANKING_INTERVAL = 600.0
"""Seconds between two reads of these jobs."""
WORKFLOWS = "workflow"
"""The key under which uses of workflows are counted."""

_LAST = re.compile(r"^(.*[,;]\s*)?(.*?)(:[^,;:]*)?$", re.DOTALL)


class Autocompleter:
    """`definitions` returns the servers' node definitions without waiting."""

    def __init__(self, *, definitions: Callable[[], Definitions]) -> None:
        self._definitions = definitions
        self._uses = Uses()
        self._indexes = Indexes(self._names)
        self._filtered = LRUCache[str, tuple[Sequence[str], Sequence[str]]](MAX_LISTS)
        """Key → the whole list, and those of its names that match the option's patterns."""

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

    def count_use(self, workflow: Workflow | None, spec: RunSpec) -> None:
        """Count the workflow and the values of one request."""
        self._uses.count(WORKFLOWS, spec.workflow)
        for name, option in workflow.manifest.options.items() if workflow else ():
            value = spec.values.get(name)
            if option.source is not None and isinstance(value, str):
                for each in _entries(value) if isinstance(option, LorasOption) else (value,):
                    self._uses.count(option.source, each)

    def recount_uses(self, runs: Iterable[tuple[Workflow | None, RunSpec]]) -> None:
        """Replace all counts by those of these runs."""
        self._uses.clear()
        for workflow, spec in runs:
            self.count_use(workflow, spec)

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
        whole, filtered = self._filtered.get(key, (None, ()))
        if whole is not names:
            filtered = matching(names, patterns)
            self._filtered[key] = (names, filtered)
        return filtered


class AutocompleteUpdater:
    """Keeps an autocompleter up to date in the background."""

    def __init__(
        self,
        *,
        autocompleter: Autocompleter,
        definitions: Callable[[], Definitions],
        library: Library,
        store: JobRepository,
        clock: Clock,
    ) -> None:
        self._autocompleter = autocompleter
        self._definitions = definitions
        self._library = library
        self._store = store
        self._clock = clock

    async def run_ranking(self) -> None:
        """Rank by recent jobs, including those of other processes and before a restart, until cancelled."""
        while True:
            with suppress(DatabaseUnavailableError):
                jobs = await self._store.browse([JobState.DONE], limit=RECENT_JOBS)
                runs = ((self._library.get(job.spec.workflow), job.spec) for job in reversed(jobs))
                self._autocompleter.recount_uses(runs)
            await self._clock.sleep(RANKING_INTERVAL)

    async def run_indexing(self) -> None:
        """Index the lists of new servers and workflows until cancelled."""
        indexed: tuple[object, object] = (None, None)
        while True:
            definitions, workflows = self._definitions(), self._library.workflows
            if definitions is not indexed[0] or workflows is not indexed[1]:
                indexed = (definitions, workflows)
                await self._autocompleter.prepare(
                    option for workflow in workflows.values() for option in workflow.manifest.options.values()
                )
            await self._clock.sleep(INDEX_INTERVAL)


def _key(option: Option) -> str:
    return "\n".join((option.source or "", *option.match))


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
