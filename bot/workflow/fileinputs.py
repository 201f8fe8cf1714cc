"""Which inputs of nodes are names of files.

ComfyUI opens what stands there without asking whether the path leaves its folders, so nothing that a member typed may
reach such an input.
"""

from bot.workflow.graph import Graph
from bot.workflow.inputnames import is_media_input, is_model_input
from bot.workflow.spec import Target

_MATERIAL = frozenset(
    {"clip", "model", "vae", "samples", "latent_image", "conditioning", "positive", "image", "images"}
)
"""A node that is fed one of these makes more than text of what it gets, so text ends there."""


def file_input_behind(graph: Graph, target: Target, *, models: bool) -> Target | None:
    """Return the file input that a value put into `target` would reach, directly or over nodes that hand text on.

    `models` says whether the names of model files count.
    """

    def is_file(place: Target) -> bool:
        names = graph.nodes[place.node_id].class_type, place.input_name
        return is_media_input(*names) or (models and is_model_input(*names))

    if is_file(target):
        return target
    seen: set[str] = set()
    waiting = [target.node_id]
    while waiting:
        node_id = waiting.pop()
        if node_id in seen or not _MATERIAL.isdisjoint(name for name, _link in graph.nodes[node_id].links()):
            continue
        seen.add(node_id)
        for reader in (Target(*place) for place in graph.readers(node_id)):
            if is_file(reader):
                return reader
            waiting.append(reader.node_id)
    return None
