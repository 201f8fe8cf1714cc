"""Loads workflows from the owner's folder, or the bundled ones if it doesn't exist."""

from pathlib import Path

from bot.clock import Clock, SystemClock
from bot.workflow.importer.add import KnownNodes
from bot.workflow.library.catalog import Catalog
from bot.workflow.library.library import Library


def load_catalog(folder: Path, known: KnownNodes | None = None) -> Catalog:
    """Read the workflows of `folder`, or the bundled ones if it doesn't exist. Does blocking file I/O."""
    return Catalog.load(_folder(folder), known)


def load_library(folder: Path, clock: Clock | None = None) -> Library:
    """Like `load_catalog`, but follows later changes in the folder."""
    found = _folder(folder)
    return Library(Catalog.load(found), folder=found, clock=clock or SystemClock())


def _folder(folder: Path) -> Path:
    shipped = Path(__file__).parents[1] / "_workflows"
    return folder if folder.is_dir() or not shipped.is_dir() else shipped
