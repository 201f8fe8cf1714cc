"""The figures of the tree: `uv run python -m tests.structure [REVISION …]`, the working tree first.

Files and lines of each package, modules of each folder, rooms and arrows (what stands directly in a package, and the
imports between those), the longest file and function, and names that a stranger misreads. `test_structure.py` holds
the limits.
"""

import argparse
import ast
import io
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from tests.paths import ROOT

PACKAGES = ("bot", "cogs")
ROOMS = ("bot", "bot.jobs", "bot.ui", "bot.storage", "bot.jobs.store", "bot.comfy", "bot.workflow")
NOT_COUNTED = ("bot/sandbox/comfyui/drawing", "bot/storage/schema/migrations", "bot/jobs/store/migrations")
"""Folders whose number of modules is free."""

WORDS = """
works front office installation sweeping sweep tenancy tenure spreading crew carrier carry visit stay posting harvest
basket nap naps departures lineup survey obstacles ears mouth hear telling untold shelf shelves judge verdict unjudged
knowledge learnt crowd patrol mute parking park locator desk ordering house houserules finder meant pressing whisper
mailbox endings refusals meaning authority anew resave looks emptiness upkeep strays seize
"""
METAPHORS = frozenset(WORDS.split())
"""Words that told a stranger nothing, or something else: not in the names of modules, classes and functions."""


@dataclass(frozen=True)
class Module:
    """One file. `path` is relative to the checkout."""

    path: PurePosixPath
    text: str

    @property
    def name(self) -> str:
        """The dotted name by which it is imported."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def functions(self) -> Iterator[tuple[int, str]]:
        """Yield lines and name of each function, methods included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{self.path}:{node.lineno} {node.name}"

    def names(self) -> Iterator[str]:
        """Yield the names of the module, its classes and its functions."""
        yield self.path.stem
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name

    def imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)


@dataclass(frozen=True)
class Tree:
    """All modules of one state of the checkout."""

    title: str
    modules: tuple[Module, ...] = field(repr=False)

    @classmethod
    def of_checkout(cls) -> "Tree":
        paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
        return cls("working tree", tuple(_module(str(path.relative_to(ROOT)), path.read_bytes()) for path in paths))

    @classmethod
    def of_revision(cls, revision: str) -> "Tree":
        command = ["git", "archive", revision, *PACKAGES]
        packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            files = [(member.name, archive.extractfile(member)) for member in archive if member.name.endswith(".py")]
            return cls(revision, tuple(_module(name, file.read()) for name, file in files if file))

    def top(self) -> list[str]:
        """Return the names of the files at the top of `bot`."""
        return sorted(module.path.name for module in self.modules if module.path.parent == PurePosixPath("bot"))

    def folders(self) -> Mapping[str, int]:
        """Return how many modules each folder has, without `__init__` and those that are not counted."""
        counted = (module.path for module in self.modules if module.path.name != "__init__.py")
        return Counter(str(path.parent) for path in counted if not str(path).startswith(NOT_COUNTED))

    def packages(self) -> Mapping[str, tuple[int, int]]:
        """Return files and lines of each package, its own packages included, two levels deep."""
        files, lines = Counter[str](), Counter[str]()
        for module in self.modules:
            parents = module.path.parent.parts[:2]
            for depth in range(1, len(parts := parents) + 1):
                files["/".join(parts[:depth])] += 1
                lines["/".join(parts[:depth])] += module.lines
        return {name: (files[name], lines[name]) for name in sorted(files)}

    def rooms(self, package: str) -> tuple[int, int]:
        """Return how much stands directly in a package, and how many imports there are between that."""

        def room(name: str) -> str:
            inside = name.startswith(f"{package}.")
            return name.removeprefix(f"{package}.").partition(".")[0] if inside else ""

        rooms = {room(module.name) for module in self.modules} - {""}
        arrows = {
            (room(module.name), room(name)) for module in self.modules if room(module.name) for name in module.imports()
        }
        return len(rooms), sum(1 for start, end in arrows if end in rooms and start != end)

    def misread(self) -> list[str]:
        """Return names outside the stand-in that are made of words which a stranger misreads."""
        return sorted(
            f"{module.path}: {name}"
            for module in self.modules
            if "sandbox" not in module.path.parts
            for name in set(module.names())
            if not METAPHORS.isdisjoint(_words(name))
        )


def _module(path: str, data: bytes) -> Module:
    return Module(PurePosixPath(path), data.decode())


def _words(name: str) -> list[str]:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).casefold().split("_")


def report(tree: Tree) -> Iterator[str]:
    """Yield the figures of a tree, line by line."""
    yield f"# {tree.title}"
    yield f"files at the top of bot: {len(tree.top())} ({' '.join(tree.top())})"
    yield f"files: {len(tree.modules)}, lines: {sum(module.lines for module in tree.modules)}"
    for name, (files, lines) in tree.packages().items():
        yield f"  {name}: {files} files, {lines} lines"
    for package in ROOMS:
        rooms, arrows = tree.rooms(package)
        if rooms:
            yield f"{package}: {rooms} rooms, {arrows} arrows"
    folder, modules = max(tree.folders().items(), key=lambda item: item[1])
    yield f"most modules in one folder: {modules} ({folder})"
    longest = max(tree.modules, key=lambda module: module.lines)
    yield f"longest file: {longest.lines} ({longest.path})"
    size, function = max(entry for module in tree.modules for entry in module.functions())
    yield f"longest function: {size} ({function})"
    yield f"names that a stranger misreads: {len(tree.misread())}"
    yield from (f"  {name}" for name in tree.misread())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", metavar="REVISION", help="git revisions to print, too")
    revisions: list[str] = parser.parse_args().revisions
    for tree in (Tree.of_checkout(), *map(Tree.of_revision, revisions)):
        print(*report(tree), sep="\n", end="\n\n")  # noqa: T201


if __name__ == "__main__":
    main()
