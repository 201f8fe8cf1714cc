"""Reads whatever an author has of a workflow: an API export, a document of the editor, or a picture that carries both.

Comes to the graph, and to the document of the editor where there is one: it tells more about what the author meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.i18n import Message, _
from bot.workflow.execution import JsonGraph
from bot.workflow.importer.convert import convert
from bot.workflow.importer.document import DocumentKind, kind_of, read_document
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.picture import read_picture_workflow
from bot.workflow.shapes import mapping
from bot.workflow.wording import listed

MAX_PICTURE = 64 * 1024 * 1024
"""Bytes; pictures are read for the few kilobytes of text in them."""

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"RIFF", b"\xff\xd8")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file held."""

    graph: JsonGraph = field(repr=False)
    document: object = field(default=None, repr=False)
    """What the editor had open; None when the file does not tell."""
    export: bytes | None = field(default=None, repr=False)
    """The file itself, when it is an API export that can stay as it is."""
    notes: tuple[Message, ...] = ()


def needs_definitions(data: bytes) -> bool:
    """Whether a file can only be read with a server's `/object_info`. Raises `WorkflowImportError`."""
    if data.startswith(_PICTURES):
        return read_picture_workflow(data)[0] is None
    return kind_of(_unwrapped(read_document(data))[0]) is DocumentKind.UI


def read_any(data: bytes, object_info: Mapping[str, Any]) -> Brought:
    """Return the workflow in a file, whatever its name says. Raises `WorkflowImportError`, as `convert` does."""
    if data.startswith(_PICTURES):
        return _from_picture(data, object_info)
    document, is_wrapped = _unwrapped(read_document(data))
    kind = kind_of(document)
    if kind is DocumentKind.UI:
        return Brought(convert(document, object_info), document)
    if kind is DocumentKind.API:
        return _from_export(mapping(document), None if is_wrapped else data)
    raise WorkflowImportError(
        _(
            "is no workflow. Take a file that ComfyUI saved or exported (menu Workflow), or a picture as ComfyUI"
            " made it."
        )
    )


def _from_picture(data: bytes, object_info: Mapping[str, Any]) -> Brought:
    if len(data) > MAX_PICTURE:
        raise WorkflowImportError(_("is too large: a picture may have {limit} MiB.", limit=MAX_PICTURE // 2**20))
    prompt, document = read_picture_workflow(data)
    if prompt is not None:
        brought = _from_export(prompt, None)
        return Brought(brought.graph, document, None, brought.notes)
    if document is not None:
        return Brought(convert(document, object_info), document)
    raise WorkflowImportError(
        _("carries no workflow. Take the original file that ComfyUI saved: chats and editors remove what is in it.")
    )


def _from_export(entries: Mapping[str, Any], data: bytes | None) -> Brought:
    """Leave out what some programs put beside the nodes; a node without a class stays, and is refused later."""
    nodes = {
        key: entry for key, entry in entries.items() if "inputs" in mapping(entry) or "class_type" in mapping(entry)
    }
    others = [key for key in entries if key not in nodes]
    if not others:
        return Brought(nodes, None, data)
    return Brought(nodes, None, None, (_("Left out, because these are no nodes: {keys}.", keys=listed(others)),))


def _unwrapped(document: object) -> tuple[object, bool]:
    """Look into a whole request, or a file that holds both formats under the names that pictures give them."""
    if kind_of(document) is DocumentKind.OTHER:
        for name in ("prompt", "workflow", "output"):
            inner = mapping(document).get(name)
            if kind_of(inner) is not DocumentKind.OTHER:
                return inner, True
    return document, False
