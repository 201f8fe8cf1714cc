"""The three folders of a ComfyUI (input, output, temp) inside one directory that the stand-in owns.

A real server opens what a `LoadImage` names wherever it lies; this one never leaves its own directory.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

KINDS = ("input", "output", "temp")
_SUFFIX = re.compile(r"^(?P<name>.*?) ?\[(?P<kind>input|output|temp)\]$", re.DOTALL)
_PADDING = 5
"""Digits of the counter in a saved file's name."""


class OutsideError(Exception):
    """A name leads out of the folder it was meant for."""


class Folders:
    """Names in, paths out; every path lies under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def create(self) -> None:
        """Make the folders, and empty temp, as a server does when it starts."""
        shutil.rmtree(self.root / "temp", ignore_errors=True)
        for kind in KINDS:
            (self.root / kind).mkdir(parents=True, exist_ok=True)

    def folder(self, kind: str) -> Path | None:
        """Return the folder of a `type` parameter, or None when there is no such type."""
        return self.root / kind if kind in KINDS else None

    def inside(self, folder: Path, *parts: str) -> Path:
        """Join and normalise; raises OutsideError when the result is not under `folder`."""
        path = folder.joinpath(*parts).resolve()
        if path != folder and folder not in path.parents:
            raise OutsideError(path.name)
        return path

    def loadable(self, value: str) -> Path:
        """Where the value of a `LoadImage` input lies: a name, "sub/name", or either with " [output]" behind it.

        Raises OutsideError for a value that leads out of its folder.
        """
        name, kind = split_suffix(value)
        return self.inside(self.root / (kind or "input"), name)

    def listing(self, kind: str) -> list[str]:
        """Names of the files directly in a folder, sorted: what the combo of `LoadImage` shows."""
        return sorted(path.name for path in (self.root / kind).iterdir() if path.is_file())

    def numbered(self, kind: str, prefix: str) -> Iterator[tuple[Path, str]]:
        """Yield (free path without its extension, subfolder) for files saved one after another under `prefix`.

        Raises OutsideError for a prefix that leaves the folder.
        """
        base = self.root / kind
        target = self.inside(base, prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        subfolder = target.parent.relative_to(base).as_posix()
        counter = self._last_counter(target) + 1
        while True:
            yield target.parent / f"{target.name}_{counter:0{_PADDING}}_", "" if subfolder == "." else subfolder
            counter += 1

    @staticmethod
    def _last_counter(target: Path) -> int:
        pattern = re.compile(re.escape(target.name) + r"_(\d+)_?", re.IGNORECASE)
        found = (pattern.match(path.name) for path in target.parent.iterdir())
        return max((int(match.group(1)) for match in found if match), default=0)


def split_suffix(value: str) -> tuple[str, str | None]:
    """Part "name [output]" into ("name", "output"); no suffix gives None."""
    match = _SUFFIX.match(value)
    return (match["name"], match["kind"]) if match else (value, None)
