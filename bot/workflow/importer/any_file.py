"""Reads a workflow from an API export, a UI-format document, or an image with either embedded.

Returns the graph, and the UI document where there is one: it tells more about what the author meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.i18n import Message, _
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.files.document import DocumentKind, kind_of, read_document
from bot.workflow.importer.files.image_metadata import read_image_workflow
from bot.workflow.importer.ui_format.convert import convert
from bot.workflow.json_access import mapping
from bot.workflow.text_format import listed

MAX_PICTURE = 64 * 1024 * 1024
"""Bytes; images are read only for the few kilobytes of text in them."""

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"RIFF", b"\xff\xd8")


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    graph: JsonGraph = field(repr=False)
    document: object = field(default=None, repr=False)
    """The UI-format document; None when the file has none."""
    export: bytes | None = field(default=None, repr=False)
    """The file's bytes, when it is an API export that can be stored unchanged."""
    notes: tuple[Message, ...] = ()


def needs_definitions(data: bytes) -> bool:
    """Whether reading the file requires a server's `/object_info`. Raises `WorkflowImportError`."""
    if data.startswith(_PICTURES):
        return read_image_workflow(data)[0] is None
    return kind_of(_unwrapped(read_document(data))[0]) is DocumentKind.UI


def read_any(data: bytes, object_info: Mapping[str, Any]) -> WorkflowFile:
    """Read a workflow by the file's content, whatever its name. Raises `WorkflowImportError`, as `convert` does."""
    if data.startswith(_PICTURES):
        return _from_picture(data, object_info)
    document, is_wrapped = _unwrapped(read_document(data))
    kind = kind_of(document)
    if kind is DocumentKind.UI:
        return WorkflowFile(convert(document, object_info), document)
    if kind is DocumentKind.API:
        return _from_export(mapping(document), None if is_wrapped else data)
    raise WorkflowImportError(
        _(
            "is not a workflow. Use a file saved or exported from ComfyUI (menu Workflow), or an original image"
            " made by it."
        )
    )


def _from_picture(data: bytes, object_info: Mapping[str, Any]) -> WorkflowFile:
    if len(data) > MAX_PICTURE:
        raise WorkflowImportError(_("is too large: images can have up to {limit} MiB.", limit=MAX_PICTURE // 2**20))
    prompt, document = read_image_workflow(data)
    if prompt is not None:
        brought = _from_export(prompt, None)
        return WorkflowFile(brought.graph, document, None, brought.notes)
    if document is not None:
        return WorkflowFile(convert(document, object_info), document)
    raise WorkflowImportError(_("has no workflow embedded. Use the original file: Discord and image editors strip it."))


def _from_export(entries: Mapping[str, Any], data: bytes | None) -> WorkflowFile:
    """Drop what some programs add beside the nodes; a node without a class stays and is rejected later."""
    nodes = {
        key: entry for key, entry in entries.items() if "inputs" in mapping(entry) or "class_type" in mapping(entry)
    }
    others = [key for key in entries if key not in nodes]
    if not others:
        return WorkflowFile(nodes, None, data)
    return WorkflowFile(nodes, None, None, (_("Skipped, because they are not nodes: {keys}.", keys=listed(others)),))


def _unwrapped(document: object) -> tuple[object, bool]:
    """Unwrap a whole `/prompt` request, or a file that holds both formats under the names used in images."""
    if kind_of(document) is DocumentKind.OTHER:
        for name in ("prompt", "workflow", "output"):
            inner = mapping(document).get(name)
            if kind_of(inner) is not DocumentKind.OTHER:
                return inner, True
    return document, False
