"""Where workflows are read from: the owner's folder, or those that ship with the package where there is none."""

from pathlib import Path

from bot.clock import Clock, SystemClock
from bot.workflow.catalog import Catalog
from bot.workflow.importer.adding import Known
from bot.workflow.library import Library


def load_catalog(folder: Path, known: Known | None = None) -> Catalog:
    """Read the workflows of `folder`, or those shipped with the package when there is no such folder; reads files."""
    return Catalog.load(_folder(folder), known)


def load_library(folder: Path, clock: Clock | None = None) -> Library:
    """Do the same, and keep up with the folder from then on."""
    found = _folder(folder)
    return Library(Catalog.load(found), folder=found, clock=clock or SystemClock())


def _folder(folder: Path) -> Path:
    shipped = Path(__file__).parent / "_workflows"
    return folder if folder.is_dir() or not shipped.is_dir() else shipped
