"""Reads a JSON file that may be a workflow, and detects which of ComfyUI's two formats it has.

The API format is the graph to submit; the UI format is what the editor saves and `convert` turns into a graph.
"""

from enum import StrEnum, auto
from typing import cast

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.graph import decode
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.json_access import mapping

MAX_BYTES = 5 * 1024 * 1024
"""The largest official template has 270 kB; a file of this size is still read in a fraction of a second."""

_UI_KEYS = ("links", "version", "last_node_id", "revision", "definitions", "state")


class DocumentKind(StrEnum):
    API = auto()
    UI = auto()
    OTHER = auto()


def read_document(data: bytes | str) -> object:
    """Decode a JSON file. Raises `WorkflowImportError` if it is too large, not JSON or nested too deep."""
    if len(data) > MAX_BYTES:
        raise WorkflowImportError(_("is too large: workflows can have up to {limit} MiB.", limit=MAX_BYTES // 2**20))
    try:
        return decode(data)
    except RefusedValueError as refusal:
        raise WorkflowImportError(refusal.reason) from refusal


def kind_of(document: object) -> DocumentKind:
    """Detect the format of a decoded document by its shape alone; the readers validate it."""
    entries = mapping(document)
    if isinstance(entries.get("nodes"), list) and not entries.keys().isdisjoint(_UI_KEYS):
        return DocumentKind.UI
    if any(_is_api_node(entry) for entry in entries.values()):
        return DocumentKind.API
    return DocumentKind.OTHER


def _is_api_node(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    parts = cast("dict[str, object]", entry)
    return isinstance(parts.get("class_type"), str) and isinstance(parts.get("inputs"), dict)
