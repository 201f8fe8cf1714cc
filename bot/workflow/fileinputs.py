"""Which inputs of nodes are names of files.

ComfyUI opens what stands there without asking whether the path leaves its folders, so nothing that a member typed may
reach such an input. Judged by class and input names, because manifests are checked without a server; custom nodes
follow the same naming habits, and refusing one input too many costs an author one sentence.
"""

import re
from collections import defaultdict

from bot.workflow.graph import Graph
from bot.workflow.spec import Target

_FILE_INPUT = re.compile(
    r"(?:^|_)(?:files?|filenames?|dir|subfolder|ur[il])(?:_|$)|(?:path|folder|directory|filename)s?$"
)
_PREFIX_INPUT = re.compile(r"(?:file|filename|output|save|path)_?(?:name_?)?prefix")
_MEDIA_LOADER = re.compile(r"load[\s_]*(?:an?[\s_]*)?(?:image|audio|video|3d|mask|gif|latent|media|file|text)")
_MEDIA_INPUT = re.compile(r"image|audio|video|mask|gif|latent|media|file|name")

_MATERIAL = frozenset(
    {"clip", "model", "vae", "samples", "latent_image", "conditioning", "positive", "image", "images"}
)
"""A node that is fed one of these makes more than text of what it gets, so text ends there."""


def is_media_input(class_type: str, input_name: str) -> bool:
    """Whether a server may take the value as the name of a file or address to read or write."""
    name = input_name.casefold()
    if _FILE_INPUT.search(name) or _PREFIX_INPUT.search(name):
        return True
    return bool(_MEDIA_LOADER.search(class_type.casefold()) and _MEDIA_INPUT.search(name))


def is_model_input(class_type: str, input_name: str) -> bool:
    """Whether the value names a model file: one of a list that the server keeps, so only free text is a danger."""
    return "loader" in class_type.casefold() and input_name.casefold().endswith("_name")


def file_input_behind(graph: Graph, target: Target, *, models: bool) -> Target | None:
    """Return the file input that a value put into `target` would reach, directly or over nodes that hand text on.

    `models` says whether the names of model files count.
    """

    def is_file(place: Target) -> bool:
        names = graph.nodes[place.node_id].class_type, place.input_name
        return is_media_input(*names) or (models and is_model_input(*names))

    if is_file(target):
        return target
    readers = _readers(graph)
    seen: set[str] = set()
    waiting = [target.node_id]
    while waiting:
        node_id = waiting.pop()
        if node_id in seen or not _MATERIAL.isdisjoint(name for name, _link in graph.nodes[node_id].links()):
            continue
        seen.add(node_id)
        for reader in readers[node_id]:
            if is_file(reader):
                return reader
            waiting.append(reader.node_id)
    return None


def _readers(graph: Graph) -> defaultdict[str, list[Target]]:
    """Return by node id the inputs that its outputs feed."""
    readers: defaultdict[str, list[Target]] = defaultdict(list)
    for node in graph.nodes.values():
        for name, link in node.links():
            readers[link.node_id].append(Target(node.id, name))
    return readers
