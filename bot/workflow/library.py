"""The workflows that can be used now: what the folder holds, without what is broken in it at the moment.

A pair that was sound and is broken by an edit goes on as it was, until it is sound again or taken away. The folder is
watched by looking at names, sizes and times, which works on every file system. Jobs are not touched by any of this:
they keep the graph that they were accepted with.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bot.clock import Clock
from bot.i18n import Message
from bot.workflow.catalog import Catalog, Problem, is_workflow_file
from bot.workflow.importer.adding import Known
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at the folder. A change is read when two looks in a row see the same: files are copied
slowly, and pairs one after the other."""

Ask = Callable[[], Awaitable[Known]]
"""Returns what is known of nodes."""
Stamp = tuple[int, int, int]
"""Size, time of change in nanoseconds, and inode of a file: an editor puts another file into the place of the old."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reading of the folder has changed, as names of commands, sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Broken by an edit: they go on as they were before."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Entry:
    """One pair of the folder, sound or not."""

    name: str
    """The command; of a pair that never was sound, the bare name of its file."""
    workflow: Workflow | None
    """What is used; None: nothing."""
    problems: tuple[Message, ...] = ()
    """What is wrong with its files now. With a workflow: an older version goes on, or only a next step is loose."""
    is_kept: bool = False
    """Whether an older version goes on because the files are broken now."""


class Library:
    """The workflows of one folder. `listen` to hear of changes; `run` watches the folder."""

    def __init__(self, catalog: Catalog, *, folder: Path | None = None, clock: Clock | None = None) -> None:
        """Begin with what was read already. Without a folder, nothing ever changes."""
        self._folder = folder
        self._clock = clock
        self._read = catalog
        self._workflows: Mapping[str, Workflow] = catalog.workflows
        self._kept: frozenset[str] = frozenset()
        self._ears: list[Callable[[Changes], None]] = []
        self._reading = asyncio.Lock()
        self._stamps: Mapping[str, Stamp] | None = None
        self._ask: Ask | None = None
        self._newest: Callable[[], object] = lambda: None
        self._guessed_by: object = None
        self._decided = self._with_manifest(catalog)

    # ------------------------------------------------------------------ what there is

    @property
    def folder(self) -> Path | None:
        """Where new workflows go."""
        return self._folder

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """What can be used now, by name, sorted."""
        return self._workflows

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong in the folder when it was last read."""
        return self._read.problems

    def get(self, name: str) -> Workflow | None:
        """Return the newest version of a workflow."""
        return self._workflows.get(name)

    def entries(self) -> tuple[Entry, ...]:
        """Return every pair of the folder, sound ones and others, by name."""
        wrong: dict[str, list[Message]] = {}
        owners = {graph_file(workflow): workflow.source for workflow in self._workflows.values()}
        for problem in self._read.problems:
            file = owners.get(problem.file, problem.file)
            wrong.setdefault(Path(file).stem, []).append(problem.message)
        entries = [
            Entry(name, workflow, tuple(wrong.pop(Path(workflow.source).stem, ())), name in self._kept)
            for name, workflow in self._workflows.items()
        ]
        entries += [Entry(stem, None, tuple(messages)) for stem, messages in wrong.items()]
        return tuple(sorted(entries, key=lambda entry: entry.name))

    # ------------------------------------------------------------------ changes

    def guess(self, ask: Ask, newest: Callable[[], object]) -> None:
        """Make commands of graphs without a manifest, too. `newest` returns another object when servers told more."""
        self._ask, self._newest = ask, newest

    @property
    def has_lonely_graphs(self) -> bool:
        """Whether there are graphs without a manifest."""
        return bool(self._read.lonely)

    def listen(self, hear: Callable[[Changes], None]) -> None:
        """Let `hear` be called after each reading that changed something; it must return at once."""
        self._ears.append(hear)

    async def reload(self) -> Changes:
        """Read the folder again and take over what is sound. A folder that cannot be read changes nothing."""
        if self._folder is None:
            return Changes()
        async with self._reading:
            fresh = await asyncio.to_thread(Catalog.load, self._folder)
            if fresh.lonely and self._ask is not None:
                self._guessed_by = self._newest()
                # Who takes a manifest away means the command, not that its options are guessed from now on
                fresh = await asyncio.to_thread(Catalog.load, self._folder, await self._ask(), self._decided)
            self._decided |= self._with_manifest(fresh)
            changes = self._take(fresh)
        for problem in fresh.problems:
            log.warning("%s: %s", problem.file, problem.message)
        if changes:
            log.info("workflows: new %s, changed %s, gone %s", changes.added, changes.changed, changes.removed)
            for hear in self._ears:
                hear(changes)
        return changes

    async def run(self) -> None:
        """Watch the folder for ever; the owner cancels this."""
        if self._folder is None or self._clock is None:
            await asyncio.Event().wait()
            return
        seen = self._stamps or await asyncio.to_thread(stamps, self._folder)
        read = seen
        while True:
            await self._clock.sleep(LOOK_EVERY)
            now = await asyncio.to_thread(stamps, self._folder)
            is_settled = now == seen
            if is_settled and (now != read or (self._read.lonely and self._newest() is not self._guessed_by)):
                await self.reload()
                read = now
            seen = now

    @staticmethod
    def _with_manifest(catalog: Catalog) -> frozenset[str]:
        """Return the graphs of which somebody has decided what their command is."""
        flows = catalog.workflows.values()
        return frozenset(graph_file(flow) for flow in flows if graph_file(flow) not in catalog.lonely)

    def _take(self, fresh: Catalog) -> Changes:
        before = self._workflows
        if not fresh.files and fresh.problems and before:  # the folder itself: it comes back, or somebody mends it
            self._read = fresh
            return Changes(kept=tuple(before))
        kept = {
            name: workflow
            for name, workflow in before.items()
            if name not in fresh.workflows and workflow.source in fresh.files and not _has_moved(workflow, fresh)
        }
        after = dict(sorted({**kept, **fresh.workflows}.items()))
        self._read, self._workflows, self._kept = fresh, MappingProxyType(after), frozenset(kept)
        return Changes(
            added=tuple(name for name in after if name not in before),
            changed=tuple(name for name in after if name in before and after[name].version != before[name].version),
            removed=tuple(name for name in before if name not in after),
            kept=tuple(kept),
        )


def _has_moved(workflow: Workflow, fresh: Catalog) -> bool:
    """Whether the pair is sound, under the name of another command, or a graph alone has got its manifest."""
    return any(workflow.source in (other.source, graph_file(other)) for other in fresh.workflows.values())


def graph_file(workflow: Workflow) -> str:
    """Return the file name of a workflow's graph."""
    return workflow.manifest.graph or f"{Path(workflow.source).stem}.json"


def stamps(folder: Path) -> Mapping[str, Stamp]:
    """Return what tells whether a file of the folder has changed; empty when it cannot be read."""
    found: dict[str, Stamp] = {}
    try:
        for path in folder.iterdir():
            if is_workflow_file(path):
                stat = path.stat()
                found[path.name] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError as error:
        log.debug("the folder of workflows cannot be read: %s", error)
        return {}
    return found
