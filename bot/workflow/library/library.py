"""The workflows that are usable now, reloaded when their folder changes.

When an edit breaks a workflow, its last valid version stays active until the files are valid again or removed. The
folder is watched by polling names, sizes and times, which works on every file system. Accepted jobs keep their graph.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bot.clock import Clock
from bot.i18n import Message
from bot.workflow.importer.add import KnownNodes
from bot.workflow.library.catalog import Catalog, Problem, is_workflow_file
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

FOLDER_POLL_INTERVAL = 2.0
"""Seconds between two polls of the folder. A change is loaded once two polls in a row see the same, because copying
files takes time and the two files of a pair arrive one after the other."""

Ask = Callable[[], Awaitable[KnownNodes]]
"""Returns the definitions that options are guessed from."""
Stamp = tuple[int, int, int]
"""Size, modification time in nanoseconds and inode of a file; editors often replace the file, so the inode changes."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload has changed, as sorted command names."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Broken by an edit; their previous version stays active."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One pair of the folder, valid or not."""

    name: str
    """The command; for a pair that was never valid, the file's stem."""
    workflow: Workflow | None
    """The active version, if any."""
    problems: tuple[Message, ...] = ()
    """Current problems of its files. With a workflow: its previous version is active, or the problems are minor."""
    is_kept: bool = False
    """Whether the previous version is active because the files are broken now."""


class Library:
    """The workflows of one folder. `run` watches the folder; callbacks passed to `listen` receive the changes."""

    def __init__(self, catalog: Catalog, *, folder: Path | None = None, clock: Clock | None = None) -> None:
        """Start with a loaded catalog. Without a folder, nothing ever changes."""
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

    # ------------------------------------------------------------------ queries

    @property
    def folder(self) -> Path | None:
        """Where new workflows go."""
        return self._folder

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """The active workflows by name, sorted."""
        return self._workflows

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems found by the last reload."""
        return self._read.problems

    def get(self, name: str) -> Workflow | None:
        """Return the active version of a workflow."""
        return self._workflows.get(name)

    def entries(self) -> tuple[LibraryEntry, ...]:
        """Return every pair of the folder, valid or not, sorted by name."""
        wrong: dict[str, list[Message]] = {}
        owners = {graph_file(workflow): workflow.source for workflow in self._workflows.values()}
        for problem in self._read.problems:
            file = owners.get(problem.file, problem.file)
            wrong.setdefault(Path(file).stem, []).append(problem.message)
        entries = [
            LibraryEntry(name, workflow, tuple(wrong.pop(Path(workflow.source).stem, ())), name in self._kept)
            for name, workflow in self._workflows.items()
        ]
        entries += [LibraryEntry(stem, None, tuple(messages)) for stem, messages in wrong.items()]
        return tuple(sorted(entries, key=lambda entry: entry.name))

    # ------------------------------------------------------------------ changes

    def use_auto_manifests(self, ask: Ask, newest: Callable[[], object]) -> None:
        """Also load graphs without a manifest. `newest` returns another object whenever the definitions change."""
        self._ask, self._newest = ask, newest

    @property
    def has_graphs_without_manifest(self) -> bool:
        return bool(self._read.lonely)

    def on_change(self, hear: Callable[[Changes], None]) -> None:
        """Call `hear` after each reload that changed something; it must not block."""
        self._ears.append(hear)

    async def reload(self) -> Changes:
        """Reload the folder and activate what is valid. A folder that cannot be read changes nothing."""
        if self._folder is None:
            return Changes()
        async with self._reading:
            fresh = await asyncio.to_thread(Catalog.load, self._folder)
            if fresh.lonely and self._ask is not None:
                self._guessed_by = self._newest()
                # Deleting a manifest means to remove the command, not to guess its options from now on.
                fresh = await asyncio.to_thread(Catalog.load, self._folder, await self._ask(), self._decided)
            self._decided |= self._with_manifest(fresh)
            changes = self._take(fresh)
        for problem in fresh.problems:
            log.warning("%s: %s", problem.file, problem.message)
        if changes:
            log.info("workflows: added %s, changed %s, removed %s", changes.added, changes.changed, changes.removed)
            for hear in self._ears:
                hear(changes)
        return changes

    async def run(self) -> None:
        """Watch the folder until cancelled."""
        if self._folder is None or self._clock is None:
            await asyncio.Event().wait()
            return
        seen = self._stamps or await asyncio.to_thread(stamps, self._folder)
        read = seen
        while True:
            await self._clock.sleep(FOLDER_POLL_INTERVAL)
            now = await asyncio.to_thread(stamps, self._folder)
            is_settled = now == seen
            if is_settled and (now != read or (self._read.lonely and self._newest() is not self._guessed_by)):
                await self.reload()
                read = now
            seen = now

    @staticmethod
    def _with_manifest(catalog: Catalog) -> frozenset[str]:
        """Return the graphs that belong to a manifest."""
        flows = catalog.workflows.values()
        return frozenset(graph_file(flow) for flow in flows if graph_file(flow) not in catalog.lonely)

    def _take(self, fresh: Catalog) -> Changes:
        before = self._workflows
        if not fresh.files and fresh.problems and before:  # the folder itself is unreadable, perhaps for a moment
            self._read = fresh
            return Changes(kept=tuple(before))
        kept = {
            name: workflow
            for name, workflow in before.items()
            if name not in fresh.workflows and workflow.source in fresh.files and not _has_changed(workflow, fresh)
        }
        after = dict(sorted({**kept, **fresh.workflows}.items()))
        self._read, self._workflows, self._kept = fresh, MappingProxyType(after), frozenset(kept)
        return Changes(
            added=tuple(name for name in after if name not in before),
            changed=tuple(name for name in after if name in before and after[name].version != before[name].version),
            removed=tuple(name for name in before if name not in after),
            kept=tuple(kept),
        )


def _has_changed(workflow: Workflow, fresh: Catalog) -> bool:
    """Whether the pair is valid under another command name, or a graph without a manifest has received one."""
    return any(workflow.source in (other.source, graph_file(other)) for other in fresh.workflows.values())


def graph_file(workflow: Workflow) -> str:
    return workflow.manifest.graph or f"{Path(workflow.source).stem}.json"


def stamps(folder: Path) -> Mapping[str, Stamp]:
    """Return the stamp of each workflow file, to detect changes; empty if the folder cannot be read."""
    found: dict[str, Stamp] = {}
    try:
        for path in folder.iterdir():
            if is_workflow_file(path):
                stat = path.stat()
                found[path.name] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError as error:
        log.debug("cannot read the workflow folder: %s", error)
        return {}
    return found
