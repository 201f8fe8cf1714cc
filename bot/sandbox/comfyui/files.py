"""ComfyUI's folders (input, output, temp) inside one directory of the stand-in.

A real server opens any path that a `LoadImage` names; this one never leaves its own directory.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

KINDS = ("input", "output", "temp")
_SUFFIX = re.compile(r"^(?P<name>.*?) ?\[(?P<kind>input|output|temp)\]$", re.DOTALL)
_PADDING = 5
"""Digits of the counter in the names of saved files."""


class OutsideError(Exception):
    """A path leaves its folder."""


class Folders:
    """Resolves names to paths, all of them under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def create(self) -> None:
        """Create the folders and empty temp, as a server does at start."""
        shutil.rmtree(self.root / "temp", ignore_errors=True)
        for kind in KINDS:
            (self.root / kind).mkdir(parents=True, exist_ok=True)

    def folder(self, kind: str) -> Path | None:
        """Return the folder for a `type` parameter; None if unknown."""
        return self.root / kind if kind in KINDS else None

    def inside(self, folder: Path, *parts: str) -> Path:
        """Join and normalise. Raises `OutsideError` if the result is not under `folder`."""
        path = folder.joinpath(*parts).resolve()
        if path != folder and folder not in path.parents:
            raise OutsideError(path.name)
        return path

    def loadable(self, value: str) -> Path:
        """Return the path of a `LoadImage` value: "name" or "sub/name", optionally followed by " [output]".

        Raises `OutsideError`.
        """
        name, kind = split_suffix(value)
        return self.inside(self.root / (kind or "input"), name)

    def listing(self, kind: str) -> list[str]:
        """Return the sorted names of the files directly in a folder, as the combo of `LoadImage` lists them."""
        return sorted(path.name for path in (self.root / kind).iterdir() if path.is_file())

    def numbered(self, kind: str, prefix: str) -> Iterator[tuple[Path, str]]:
        """Yield (free path without extension, subfolder) for successive files under `prefix`. Raises `OutsideError`."""
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
    """Split "name [output]" into ("name", "output"); without a suffix the second part is None."""
    match = _SUFFIX.match(value)
    return (match["name"], match["kind"]) if match else (value, None)
