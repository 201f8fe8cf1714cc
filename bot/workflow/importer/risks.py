"""Finds nodes that reach beyond the graph: files other than uploads and results, addresses, programs.

Warns people who add a workflow made by someone else. Judged by class names, since a server does not say: one warning
too many is better than one too few.
"""

import re
from collections.abc import Container, Iterator

from bot.i18n import Message, _
from bot.workflow.graph.graph import Graph, Node, Target
from bot.workflow.graph.input_names import is_media_input, is_model_file
from bot.workflow.text_format import listed, shown

CONFINED = frozenset(
    {
        "LoadImage", "LoadImageMask", "LoadImageOutput", "LoadAudio", "LoadVideo", "LoadLatent", "Load3D",
        "Load3DAnimation", "SaveImage", "SaveImageWebsocket", "SaveAnimatedPNG", "SaveAnimatedWEBP", "SaveAudio",
        "SaveAudioMP3", "SaveAudioOpus", "SaveVideo", "SaveWEBM", "SaveGLB", "SaveSVGNode", "SaveLatent", "Preview3D",
        "Preview3DAnimation", "PreviewAudio", "PreviewImage", "MaskPreview",
    }
)  # fmt: skip
"""Stock nodes that only use the server's folders for uploads and results."""

WRITES_MODELS = frozenset(
    {
        "CheckpointSave", "ImageOnlyCheckpointSave", "CLIPSave", "VAESave", "ModelSave", "LoraSave", "SaveLoRA",
        "SaveLoRANode", "TrainLoraNode",
    }
)  # fmt: skip
READS_FOLDERS = frozenset(
    {"LoadImageSetFromFolderNode", "LoadImageTextSetFromFolderNode", "LoadImageDataSetFromFolder"}
)

_CODE = re.compile(
    r"python|javascript|exec|eval|shell|bash|terminal|subprocess|command|lua_?script|run_?(?:code|script)|custom_?code"
)
_LOADING = re.compile(r"load|read|import|fetch|download|open|from_?(?:path|url|file|dir)|url|http|webhook|request")
_SAVING = re.compile(r"save|write|export|store|upload|send|combine|delete|remove_?file|move_?file")
_OUTSIDE = re.compile(r"^(?:[a-zA-Z]:[\\/]|[\\/]{1,2}|~)|(?:^|[\\/])\.\.(?:[\\/]|$)|^[a-z][a-z0-9+]{1,15}://")


def risks(graph: Graph, given: Container[Target] = frozenset[Target]()) -> tuple[Message, ...]:
    """Return one sentence per kind of access, naming the classes; options set the inputs in `given`."""
    nodes = list(graph.nodes.values())
    code = _classes(node for node in nodes if _CODE.search(node.class_type.casefold()))
    writes = _classes(node for node in nodes if _writes(node))
    reads = _classes(node for node in nodes if _reads(node))
    outside = list(dict.fromkeys(place for node in nodes for place in _outside(node, given)))
    found = (
        (code, _("Runs code on the ComfyUI server: {nodes}. Check it before you add this.", nodes=listed(code))),
        (writes, _("Writes models or files on the ComfyUI server: {nodes}.", nodes=listed(writes))),
        (reads, _("Reads files or addresses named in the graph: {nodes}.", nodes=listed(reads))),
        (outside, _("Uses paths outside ComfyUI's own folders: {places}.", places=listed(outside))),
    )
    return tuple(sentence for names, sentence in found if names)


def _classes(nodes: Iterator[Node]) -> list[str]:
    return list(dict.fromkeys(node.class_type for node in nodes))


def _writes(node: Node) -> bool:
    if node.class_type in WRITES_MODELS:
        return True
    return node.class_type not in CONFINED and bool(_SAVING.search(node.class_type.casefold())) and _names_files(node)


def _reads(node: Node) -> bool:
    if node.class_type in READS_FOLDERS:
        return True
    return node.class_type not in CONFINED and bool(_LOADING.search(node.class_type.casefold())) and _names_files(node)


def _names_files(node: Node) -> bool:
    return any(
        isinstance(value, str) and is_media_input(node.class_type, name) and not is_model_file(value)
        for name, value in node.inputs.items()
    )


def _outside(node: Node, given: Container[Target]) -> Iterator[str]:
    for name, value in node.inputs.items():
        if not isinstance(value, str) or Target(node.id, name) in given or not is_media_input(node.class_type, name):
            continue
        if _OUTSIDE.search(value[:300]):
            yield shown(f"“{name}” of “{node.title}”")
